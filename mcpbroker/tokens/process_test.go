package tokens

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

func scopeOf(who string) label.Scope { return label.Scope{Tenant: "acme", Principal: who} }

// other is the environment under which a test's own binary is another broker: the Redis and the token endpoint.
const other = "YELLOWJACK_TEST_TOKENS"

func TestMain(m *testing.M) {
	if where := os.Getenv(other); where != "" {
		if err := broker(where); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(leaks(m))
}

const callers = 50

// broker has many callers who all want the same token at once, and prints what each got.
func broker(where string) error {
	redis, endpoint, _ := strings.Cut(where, " ")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	keys, err := store.NewKeys([]byte(strings.Repeat("k", 32)))
	if err != nil {
		return err
	}
	kept, err := store.Redis(ctx, store.RedisConfig{URL: redis, Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close() }()
	c := &Cache{Store: store.Sealed(kept, keys), Keys: keys}
	slot := keys.Slot(scopeOf("sara"))
	at := place{slot: slot, name: slot + "t:x0", principal: "sara", entry: "{}"}
	flow := Exchange{Endpoint: Endpoint{URL: endpoint, HTTP: http.DefaultClient, Client: Client{ID: "gateway"}}}
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	var wg sync.WaitGroup
	got := make(chan string, callers)
	for range callers {
		wg.Go(func() {
			token, err := c.token(ctx, at, false, func(ctx context.Context) (given, error) { return flow.fetch(ctx, "hers", Want{}) })
			if err != nil {
				token = "error " + err.Error()
			}
			got <- token
		})
	}
	wg.Wait()
	close(got)
	for token := range got {
		fmt.Println(token)
	}
	return nil
}

// TestProcesses: of four brokers with fifty callers each who all need a new token, one makes one exchange.
func TestProcesses(t *testing.T) {
	r := storetest.Start(t)
	as := newServer(t)
	as.set(func() { as.took = 200 * time.Millisecond })
	var start []func()
	var outs []*bufio.Scanner
	var all []*exec.Cmd
	for range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), other+"="+r.URL()+" "+as.url)
		cmd.Stderr = os.Stderr
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
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "ready" {
			t.Fatalf("a broker says %q", lines.Text())
		}
		start = append(start, func() { _, _ = in.Write([]byte("go\n")) })
		outs, all = append(outs, lines), append(all, cmd)
	}
	for _, f := range start {
		f()
	}
	n := 0
	for i, lines := range outs {
		for lines.Scan() {
			n++
			if lines.Text() != "upstream-1" {
				t.Errorf("a caller got %q", lines.Text())
			}
		}
		if err := all[i].Wait(); err != nil {
			t.Error(err)
		}
	}
	if n != 4*callers || as.exchanges() != 1 {
		t.Errorf("%d callers, %d exchanges", n, as.exchanges())
	}
}
