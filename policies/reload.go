package policies

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"
)

// settle is how long the folder must be quiet before it is read: an editor or
// a checkout writes several files.
const settle = 100 * time.Millisecond

type metrics struct {
	reloads *prometheus.CounterVec
	success prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "yellowjack_policy_reloads_total", Help: "Times that policies were loaded, by result.",
		}, []string{"result"}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "yellowjack_policy_last_reload_successful", Help: "Whether the last load of policies was taken.",
		}),
	}
	for _, result := range []string{"ok", "refused"} {
		m.reloads.WithLabelValues(result)
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.reloads, m.success} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("policies: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) loaded(err error) {
	if err != nil {
		m.reloads.WithLabelValues("refused").Inc()
		m.success.Set(0)
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.success.Set(1)
}

// reading is what the folder was found to hold, or why it could not be read.
type reading struct {
	files  []file
	failed string
}

func (r reading) same(o reading) bool { return r.failed == o.failed && sameFiles(r.files, o.files) }

// watch reloads the folder when its content changes. Events make that quick;
// reading it every Poll makes it certain, where there are no events or a link
// to the folder was moved.
func (e *Engine) watch(ctx context.Context, files []file) {
	if e.config.Folder == "" {
		return
	}
	ctx, e.stop = context.WithCancel(ctx)
	var events chan fsnotify.Event // nil: never ready
	var trouble chan error
	w, err := fsnotify.NewWatcher()
	if err != nil {
		e.config.Logger.Warn("policies: no events from the file system, the folder is polled", "error", err)
	} else {
		events, trouble = w.Events, w.Errors
		follow(w, e.config.Folder)
	}
	e.done.Go(func() {
		if w != nil {
			defer w.Close()
		}
		poll := time.NewTicker(e.config.Poll)
		defer poll.Stop()
		quiet := time.NewTimer(settle)
		quiet.Stop()
		last := reading{files: files}
		for {
			select {
			case <-ctx.Done():
				return
			case <-events:
				quiet.Reset(settle)
				continue
			case <-trouble: // lost events: the poll finds what they would have said
				continue
			case <-quiet.C:
			case <-poll.C:
			}
			if w != nil {
				follow(w, e.config.Folder)
			}
			last = e.reload(ctx, last)
		}
	})
}

// follow watches the folder and those below it; adding one twice does nothing.
func follow(w *fsnotify.Watcher, folder string) {
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return
	}
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = w.Add(p) // the poll covers what cannot be watched
		}
		return nil
	})
}

// reload takes the folder's content if it changed and is good. It returns what
// it read, so that a broken folder is reported once and not at every poll.
func (e *Engine) reload(ctx context.Context, last reading) reading {
	files, err := readFolder(e.config.Folder)
	now := reading{files: files}
	if err != nil {
		now = reading{failed: err.Error()}
	}
	if now.same(last) {
		return last
	}
	if err == nil {
		err = e.load(ctx, files)
	}
	e.metrics.loaded(err)
	if err != nil {
		e.config.Logger.Error("policies: the folder was refused, the last good policies stay", "error", err, "revision", e.Revision())
	} else {
		e.config.Logger.Info("policies: reloaded", "revision", e.Revision())
	}
	if e.config.OnReload != nil {
		e.config.OnReload(err)
	}
	return now
}
