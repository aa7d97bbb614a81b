package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A load is requests made beforehand, sent over a fixed number of connections, each with one request at a time (closed
// loop). The client is written by hand because it shares two cores with what is measured.
type load struct {
	addr     string
	requests [][]byte
	conns    int
	once     bool          // each request once, instead of going round for the duration
	length   time.Duration // ignored with once
}

// outcome is what a load saw.
type outcome struct {
	Requests  int
	Errors    int
	FirstFail string
	Elapsed   time.Duration
	latencies []time.Duration // sorted
	first     []time.Duration // until the first byte of the body, sorted
}

func (o outcome) percentile(p float64) time.Duration { return percentile(o.latencies, p) }

func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p))]
}

// run sends the load. It ends early, with an error, when the gateway cannot be reached at all.
func (l load) run() (outcome, error) {
	conns := make([]net.Conn, 0, l.conns)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range l.conns {
		c, err := net.DialTimeout("tcp", l.addr, 5*time.Second)
		if err != nil {
			return outcome{}, err
		}
		conns = append(conns, c)
	}
	var next atomic.Int64
	results := make([]outcome, len(conns))
	start := time.Now()
	end := start.Add(l.length)
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { results[i] = l.worker(c, i, &next, end) })
	}
	wg.Wait()
	all := outcome{Elapsed: time.Since(start)}
	for _, r := range results {
		all.Requests += r.Requests
		all.Errors += r.Errors
		all.latencies = append(all.latencies, r.latencies...)
		all.first = append(all.first, r.first...)
		if all.FirstFail == "" {
			all.FirstFail = r.FirstFail
		}
	}
	slices.Sort(all.latencies)
	slices.Sort(all.first)
	return all, nil
}

// worker is one connection's loop. A failed exchange ends it: the connection's state is unknown, and the run is void.
func (l load) worker(c net.Conn, first int, next *atomic.Int64, end time.Time) outcome {
	o := outcome{latencies: make([]time.Duration, 0, 1<<16), first: make([]time.Duration, 0, 1<<16)}
	in := bufio.NewReaderSize(c, 64<<10)
	at := first * len(l.requests) / max(l.conns, 1)
	for {
		if l.once {
			at = int(next.Add(1)) - 1
			if at >= len(l.requests) {
				return o
			}
		}
		start := time.Now()
		if !l.once && !start.Before(end) {
			return o
		}
		if err := c.SetDeadline(start.Add(30 * time.Second)); err != nil {
			return o.failed(err)
		}
		if _, err := c.Write(l.requests[at%len(l.requests)]); err != nil {
			return o.failed(err)
		}
		// One answer in many is looked into: a gateway that drops the call, or all of it, would be quick.
		first, err := readAnswer(in, o.Requests%512 == 0)
		if err != nil {
			return o.failed(err)
		}
		o.first = append(o.first, first.Sub(start))
		o.latencies = append(o.latencies, time.Since(start))
		o.Requests++
		at++
	}
}

func (o outcome) failed(err error) outcome {
	o.Errors++
	o.FirstFail = err.Error()
	return o
}

// readAnswer reads one HTTP/1.1 answer and returns an error unless it is a 200 that came whole. With look, its body must
// have the whole tool call, or as much of it as one read of a stream shows. It tells when the body began.
func readAnswer(in *bufio.Reader, look bool) (first time.Time, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return first, err
	}
	status := string(bytes.TrimSpace(line))
	ok := bytes.HasPrefix(line, []byte("HTTP/1.1 200"))
	length, chunked := -1, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return first, err
		}
		if len(line) <= 2 {
			break
		}
		switch name, value, _ := bytes.Cut(line, []byte(":")); {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return first, err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = true
		}
	}
	if chunked || length > 0 {
		if _, err := in.Peek(1); err != nil {
			return first, err
		}
	}
	first = time.Now()
	var kept *bytes.Buffer
	if look || !ok {
		kept = &bytes.Buffer{}
	}
	switch {
	case chunked:
		err = readChunks(in, kept)
	case length >= 0:
		err = take(in, length, kept)
	default:
		return first, fmt.Errorf("%s: neither a length nor chunks", status)
	}
	if err != nil {
		return first, err
	}
	if !ok {
		return first, fmt.Errorf("%s: %.300s", status, kept)
	}
	if look && !bytes.Contains(kept.Bytes(), []byte(`"tool_0"`)) {
		return first, fmt.Errorf("an answer without its tool call: %.300s", kept)
	}
	return first, nil
}

func readChunks(in *bufio.Reader, kept *bytes.Buffer) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return err
		}
		if size == 0 {
			_, err := in.Discard(2)
			return err
		}
		if err := take(in, int(size), kept); err != nil {
			return err
		}
		if _, err := in.Discard(2); err != nil {
			return err
		}
	}
}

func take(in *bufio.Reader, n int, kept *bytes.Buffer) error {
	if kept == nil {
		_, err := in.Discard(n)
		return err
	}
	_, err := io.CopyN(kept, in, int64(n))
	return err
}
