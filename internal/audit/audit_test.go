package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func record() *Record {
	r := &Record{
		Time: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), DecisionID: "d1", Decision: "allow", Rule: "tools",
		Issuer: "corp", Subject: "u1", User: "sara@example.com", Client: "agent", Path: "/v1/chat/completions", Status: 200, UpstreamStatus: 200,
		Provider: "openrouter", Model: "openai/gpt-5-mini", NamedModel: "fast", AnsweredModel: "openai/gpt-5-mini-2025", ModelLabel: "fast",
		Credential: "openrouter/team:finance", ToolsOffered: []string{"snowflake__query"}, ToolsHidden: []string{"slack__post_message"},
		Calls: []Call{{Tool: "slack__post_message", Reason: "not granted <to> you"}}, PolicyRevision: "r1", OwnMicros: 90, DurationMS: 1200,
	}
	cost := 0.0012
	r.Usage = &Usage{Input: 100, Output: 20, Cost: &cost, Price: PriceProvider}
	return r
}

func TestLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	f, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(record()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Ready(), f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"2026-05-01T12:00:00Z","decision_id":"d1","decision":"allow","rule":"tools",` +
		`"issuer":"corp","subject":"u1","user":"sara@example.com","client":"agent",` +
		`"path":"/v1/chat/completions","status":200,"upstream_status":200,"stream":false,` +
		`"provider":"openrouter","model":"openai/gpt-5-mini","named_model":"fast","answered_model":"openai/gpt-5-mini-2025","credential":"openrouter/team:finance",` +
		`"tools_offered":["snowflake__query"],"tools_hidden":["slack__post_message"],` +
		`"calls":[{"tool":"slack__post_message","allowed":false,"reason":"not granted <to> you"}],` +
		`"usage":{"input_tokens":100,"output_tokens":20,"cost":0.0012,"price":"provider"},"policy_revision":"r1","own_time_us":90,"duration_ms":1200}` + "\n"
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s%v", got, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := f.Write(record()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestAppend: a line that a crash cut off keeps the next line whole.
func TestAppend(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(file, []byte("{\"whole\":1}\n{\"cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Write(record()), f.Close()); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(file)
	lines := strings.Split(string(b), "\n")
	if len(lines) != 4 || lines[0] != `{"whole":1}` || lines[1] != `{"cut` || !json.Valid([]byte(lines[2])) {
		t.Errorf("%q", lines)
	}
	if _, err := Open(filepath.Join(file, "below")); err == nil {
		t.Error("a file below a file was opened")
	}
}

// TestConcurrent: whatever happens at once, every line that was taken is there, whole and once.
func TestConcurrent(t *testing.T) {
	var out bytes.Buffer
	f := New(Config{To: &out, Queue: 16, Linger: time.Microsecond})
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := record()
				r.DecisionID = fmt.Sprintf("%d-%d", w, i)
				if err := f.Write(r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err, line)
		}
		if seen[r.DecisionID] {
			t.Fatal("twice:", r.DecisionID)
		}
		seen[r.DecisionID] = true
	}
	if len(seen) != writers*each {
		t.Errorf("%d lines of %d", len(seen), writers*each)
	}
}

// TestCloseWhileWriting: a Write that said nil is in the file, however it met Close.
func TestCloseWhileWriting(t *testing.T) {
	for range 50 {
		var out bytes.Buffer
		f := New(Config{To: &out, Queue: 4, Linger: time.Microsecond})
		var taken sync.Map
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					r := &Record{DecisionID: fmt.Sprintf("%d-%d", w, i)}
					if err := f.Write(r); err != nil {
						return
					}
					taken.Store(r.DecisionID, true)
				}
			})
		}
		if err := f.Write(&Record{DecisionID: "first"}); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		text := out.String()
		taken.Range(func(id, _ any) bool {
			if !strings.Contains(text, `"`+id.(string)+`"`) {
				t.Errorf("%v was taken and is not there", id)
			}
			return true
		})
	}
}

// flaky is a disk: it fails while told to, after having written some of the bytes.
type flaky struct {
	mu   sync.Mutex
	fail bool
	out  bytes.Buffer
}

func (d *flaky) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail {
		n, _ := d.out.Write(b[:min(10, len(b))])
		return n, errors.New("no space left on device")
	}
	return d.out.Write(b)
}

func (d *flaky) set(fail bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

// TestFullDisk: while lines cannot be written Write fails and Ready says so; afterwards nothing taken is missing.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &flaky{fail: true}
		told := 0
		f := New(Config{To: disk, Failed: func(error) { told++ }})
		if err := f.Write(record()); err != nil {
			t.Fatal(err) // nobody knows yet
		}
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		if err := f.Write(record()); !errors.Is(err, ErrFailing) {
			t.Errorf("on a full disk: %v", err)
		}
		if err := f.Ready(); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("ready: %v", err)
		}
		if told != 2 {
			t.Errorf("told %d times", told)
		}
		disk.set(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if err := errors.Join(f.Ready(), f.Write(record()), f.Close()); err != nil {
			t.Error(err)
		}
		if lines := strings.Split(strings.TrimSpace(disk.out.String()), "\n"); len(lines) != 2 || !json.Valid([]byte(lines[0])) || lines[0] != lines[1] {
			t.Errorf("%q", lines)
		}
	})
}

func TestCloseOnFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(Config{To: &flaky{fail: true}})
		if err := f.Write(record()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := f.Close(); err == nil || !strings.Contains(err.Error(), "bytes of lines could not be written") {
			t.Errorf("Close: %v", err)
		}
	})
}

// stuck is a disk that never answers until it is let go.
type stuck struct{ let chan struct{} }

func (d stuck) Write(b []byte) (int, error) {
	<-d.let
	return len(b), nil
}

// TestFullQueue: a queue that stays full is an error after a bounded wait.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := stuck{make(chan struct{})}
		f := New(Config{To: disk, Queue: 2, Wait: 300 * time.Millisecond, Linger: time.Millisecond})
		began := time.Now()
		var err error
		for range 10 {
			if err = f.Write(record()); err != nil {
				break
			}
			synctest.Wait()
		}
		if !errors.Is(err, ErrFull) {
			t.Errorf("a full queue: %v", err)
		}
		if waited := time.Since(began); waited < 300*time.Millisecond || waited > time.Second {
			t.Errorf("waited %v", waited)
		}
		close(disk.let)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	f := New(Config{To: io.Discard})
	r := record()
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Write(r); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkWriteParallel(b *testing.B) {
	f := New(Config{To: io.Discard})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := record()
		for pb.Next() {
			if err := f.Write(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// TestReference holds docs/telemetry.md and the record together.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("../../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ := strings.Cut(string(b), "## The audit")
	for _, typ := range []reflect.Type{reflect.TypeFor[Record](), reflect.TypeFor[Call](), reflect.TypeFor[Result](), reflect.TypeFor[Seen](), reflect.TypeFor[Pin](), reflect.TypeFor[Usage]()} {
		for _, f := range reflect.VisibleFields(typ) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "-" && !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("%s is not documented", name)
			}
		}
	}
}
