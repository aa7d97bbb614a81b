package e2e

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"github.com/yellowjack/yellowjack/internal/tool"
)

// shots is where pictures of the pages go, to be looked at.
var shots = flag.String("browser.shots", "", "a folder for pictures of the connect page")

// chromium is a real browser, in which no script runs, and what it complains of.
type chromium struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // the browser's, as chromedp has it

	mu       sync.Mutex
	complain []string
	asked    []string // the URLs that it asked for
}

func startChromium(t *testing.T) *chromium {
	t.Helper()
	found := tool.Candidates("chromium", "chromium/chromium")
	if len(found) == 0 {
		t.Skip("no chromium here: make browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(found[0]), chromedp.WindowSize(720, 560), chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("force-color-profile", "srgb"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	if fonts := filepath.Join(filepath.Dir(found[0]), "fonts.conf"); filepath.Base(filepath.Dir(found[0])) == "chromium" {
		options = append(options, chromedp.Env("FONTCONFIG_FILE="+fonts))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(stop)
	c := &chromium{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			c.complain = append(c.complain, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			c.asked = append(c.asked, e.Request.Method+" "+e.Request.URL)
		}
	})
	c.do(log.Enable(), network.Enable(), emulation.SetScriptExecutionDisabled(true), security.Enable())
	return c
}

func (c *chromium) do(actions ...chromedp.Action) {
	c.t.Helper()
	if err := chromedp.Run(c.ctx, actions...); err != nil {
		c.t.Fatal(err)
	}
}

// sees waits for a page with that heading, keeps a picture of it, and returns its text.
func (c *chromium) sees(heading, picture string) string {
	c.t.Helper()
	var text string
	var png []byte
	c.do(chromedp.WaitVisible(`//h1[normalize-space()="`+heading+`"]`, chromedp.BySearch), chromedp.Text("main", &text, chromedp.ByQuery), chromedp.FullScreenshot(&png, 100))
	if *shots != "" {
		if err := os.WriteFile(filepath.Join(*shots, picture+".png"), png, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	return text
}

func (c *chromium) presses(button string) {
	c.t.Helper()
	if _, err := chromedp.RunResponse(c.ctx, chromedp.Click(`//button[normalize-space()="`+button+`"]`, chromedp.BySearch)); err != nil { // it waits for the page after
		c.t.Fatal(err)
	}
}

// TestConnectInBrowser: a person connects and disconnects in a real browser that runs no script: forms lead where the page's policy lets
// them, by way of two authorization servers, and the browser has nothing to complain of.
func TestConnectInBrowser(t *testing.T) {
	b := startChromium(t)
	g, as := connecting(t, false, "")
	opened := make(chan struct{})
	c := opener(t, g, sara(t), "", func(link string) bool {
		defer close(opened)
		theStage.corp.SignIn(object{"sub": "sara", "email": "sara@example.com", "email_verified": true})
		as.SignIn(object{"sub": "octosara"})
		b.do(chromedp.Navigate(link))
		text := b.sees("Connect to hub", "ask")
		for _, want := range []string{"You are logged in as sara@example.com", "Sara's agent", "repo", as.URL()[len("http://"):]} {
			if !strings.Contains(text, want) {
				t.Errorf("the page does not say %q: %s", want, text)
			}
		}
		b.presses("Connect to hub")
		if text := b.sees("Your connections", "connected"); !strings.Contains(text, "connected") {
			t.Error(text)
		}
		return true
	})
	if got, err := c.call(t, "hub__get_issues", object{}); err != nil || got != toolResult {
		t.Fatalf("%q %v", got, err)
	}
	<-opened
	var cookies []*network.Cookie
	b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		cookies, err = network.GetCookies().Do(ctx)
		return err
	}))
	if len(cookies) != 1 || !cookies[0].HTTPOnly || cookies[0].SameSite != network.CookieSameSiteLax || cookies[0].Path != "/" {
		t.Errorf("the cookies are %+v", cookies)
	}
	b.presses("Disconnect hub")
	if text := b.sees("Your connections", "list"); !strings.Contains(text, "not connected") {
		t.Error(text)
	}
	b.presses("Log out")
	b.sees("You are logged out", "out")
	other := startChromium(t)
	theStage.corp.SignIn(object{"sub": "mona"})
	other.do(chromedp.Navigate(<-c.asked))
	if text := other.sees("This link is not for you", "refused"); strings.Contains(text, "Connect to hub") {
		t.Error(text)
	}
	for _, one := range []*chromium{b, other} {
		one.mu.Lock()
		for _, text := range one.complain {
			if !strings.Contains(text, "favicon.ico") && !strings.Contains(text, "the server responded with a status of 403") {
				t.Error("the browser complains: ", text)
			}
		}
		for _, asked := range one.asked {
			_, at, _ := strings.Cut(asked, " ")
			if !strings.HasPrefix(at, g.url+"/connect/") && !strings.HasPrefix(at, as.URL()+"/authorize?") && !strings.HasPrefix(at, theStage.corp.AuthorizeURL()+"?") && !strings.HasSuffix(at, "/favicon.ico") {
				t.Error("the browser asked for ", asked)
			}
		}
		one.mu.Unlock()
	}
}
