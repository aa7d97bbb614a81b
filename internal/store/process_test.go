package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// other is the environment variable under which a test's own binary is another process, which works on the Redis at that URL.
const other = "YELLOWJACK_TEST_STORE"

func TestMain(m *testing.M) {
	if url := os.Getenv(other); url != "" {
		if err := process(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	processes = 4
	records   = 60
	goers     = 5
)

// process takes and reserves what others take and reserve too, and says what it got.
func process(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Redis(ctx, RedisConfig{URL: url, Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	got := make(chan string, 4*goers*records)
	at(goers, func(g int) {
		for i := range records {
			n := strconv.Itoa(i)
			take := &Take{Key: "{a}take" + n}
			reserve := &Reserve{Once: fmt.Sprintf("{a}once%d.%d.%d", os.Getpid(), g, i), TTL: time.Hour, Amount: 1, Counters: []Counter{
				{Key: "{a}wide", Limit: 1 << 40, TTL: time.Hour}, {Key: "{a}narrow", Limit: 100, TTL: time.Hour},
			}}
			same := &Reserve{Once: "{a}same" + n, TTL: time.Hour, Amount: 1, Counters: []Counter{{Key: "{a}count", Limit: 1 << 40, TTL: time.Hour}}}
			lock := &Lock{Key: "{a}lock" + n, Owner: fmt.Sprintf("%d.%d", os.Getpid(), g), TTL: time.Hour}
			if err := s.Do(ctx, take, reserve, same, lock); err != nil {
				got <- "error " + err.Error()
			}
			for what, yes := range map[string]bool{"take" + n: take.Found, "reserve": reserve.Granted, "same" + n: same.Granted && !same.Already, "lock" + n: lock.Got} {
				if yes {
					got <- what
				}
			}
		}
	})
	close(got)
	for g := range got {
		fmt.Println(g)
	}
	return nil
}

// TestProcesses: of several processes, each with several goroutines, one takes, one holds the lock, one is charged.
func TestProcesses(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	s := open(t, RedisConfig{URL: r.URL()})
	for i := range records {
		do(t, s, &Put{Key: "{a}take" + strconv.Itoa(i), Value: []byte("v"), TTL: time.Hour})
	}
	type child struct {
		cmd *exec.Cmd
		out *bufio.Scanner
		in  func()
	}
	var children []child
	for range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test
		cmd.Env, cmd.Stderr = append(os.Environ(), other+"="+r.URL()), os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c := child{cmd, bufio.NewScanner(out), func() { _ = in.Close() }}
		if !c.out.Scan() || c.out.Text() != "ready" {
			t.Fatalf("%q", c.out.Text())
		}
		children = append(children, c)
	}
	got := map[string]int{}
	for _, c := range children {
		c.in()
	}
	for _, c := range children {
		for c.out.Scan() {
			if strings.HasPrefix(c.out.Text(), "error") {
				t.Error(c.out.Text())
			}
			got[c.out.Text()]++
		}
		if err := c.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if got["reserve"] != 100 {
		t.Errorf("%d reservations of 100", got["reserve"])
	}
	for i := range records {
		for _, what := range []string{"take", "same", "lock"} {
			if n := got[what+strconv.Itoa(i)]; n != 1 {
				t.Errorf("%s%d: %d got it", what, i, n)
			}
		}
	}
	look := &Reserve{Once: "{a}look", TTL: time.Hour, Counters: []Counter{{Key: "{a}wide", Limit: 1 << 40, TTL: time.Hour}, {Key: "{a}count", Limit: 1 << 40, TTL: time.Hour}}}
	if do(t, s, look); look.Counters[0].Total != 100 || look.Counters[1].Total != records {
		t.Errorf("%+v", look)
	}
}
