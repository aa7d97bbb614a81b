package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/upstream"
)

// tokenVariable has the token of who calls, where no file is named.
const tokenVariable = "YELLOWJACK_TOKEN"

func newMCPCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "List and call tools through a broker, and approve their descriptions",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMCPListCmd(), newMCPCallCmd(), newMCPPinsCmd(), newMCPApproveCmd())
	return cmd
}

// mcpFlags say which broker, as whom, and how to print.
type mcpFlags struct {
	url, token string
	json       bool
}

func (f *mcpFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "url", "http://127.0.0.1:10000/mcp", "the broker's `URL`, or that of one of its sets")
	cmd.Flags().StringVar(&f.token, "token", "", "the `FILE` with the token of who calls; - is the standard input; without it $"+tokenVariable)
	cmd.Flags().BoolVar(&f.json, "json", false, "what the broker answers, as it stands")
}

const asWhom = `

The broker is asked as any client asks it, with your token (--token, or $` + tokenVariable + `): what you see and may do is what
policy says of you. It has to be reached by TLS, or on this machine.`

func newMCPListCmd() *cobra.Command {
	var f mcpFlags
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tools that you may see",
		Long:    `List the tools that you may see, each with the first line of its description.` + asWhom,
		Example: "  yellowjack mcp list --token sara.jwt",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client(cmd)
			if err != nil {
				return err
			}
			defer c.close()
			return c.list(cmd.Context())
		},
	}
	f.add(cmd)
	return cmd
}

func newMCPCallCmd() *cobra.Command {
	var f mcpFlags
	cmd := &cobra.Command{
		Use:   "call TOOL [ARGUMENTS]",
		Short: "Call a tool",
		Long: `Call a tool with a JSON object of arguments ("-" reads it from the standard input; absent is {}), and print what it answers.

A question in the middle of the call (policy wants it confirmed, the server wants to know something) is asked on the terminal;
without a terminal it is declined. A tool that answers by an error is exit code 1.` + asWhom,
		Example: `  yellowjack mcp call snowflake__query '{"sql": "select 1"}' --token sara.jwt`,
		Args:    usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			arguments := []byte("{}")
			if len(args) == 2 {
				arguments = []byte(args[1])
			}
			if string(arguments) == "-" {
				if f.token == "-" {
					return &usageError{errors.New("the standard input cannot be the token and the arguments")}
				}
				var err error
				if arguments, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<20)); err != nil {
					return err
				}
			}
			if err := strictjson.CheckObject(arguments, strictjson.Limits{}); err != nil {
				return &usageError{fmt.Errorf("the arguments are not one JSON object: %w", err)}
			}
			c, err := f.client(cmd)
			if err != nil {
				return err
			}
			defer c.close()
			return c.call(cmd.Context(), args[0], arguments)
		},
	}
	f.add(cmd)
	return cmd
}

// mcpClient is a person's client of a broker.
type mcpClient struct {
	up       *upstream.Upstream
	verifier *identity.Verifier
	who      *identity.Principal
	in       io.Reader
	out, err io.Writer
	json     bool
}

func (f *mcpFlags) client(cmd *cobra.Command) (*mcpClient, error) {
	u, err := url.Parse(f.url)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, &usageError{errors.New("--url is no https URL, and no http one of this machine: your token could be read on the way")}
	}
	token, err := f.bearer(cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	// Who calls is for the broker to say; what holds a Principal here only keeps one caller's sessions apart from another's.
	verifier, err := identity.New(cmd.Context(), identity.Config{Anonymous: true})
	if err != nil {
		return nil, err
	}
	who, _ := verifier.Anonymous()
	c := &mcpClient{verifier: verifier, who: who, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: f.json}
	c.up = upstream.New(upstream.Config{
		Name: "broker", URL: f.url, ClientName: "yellowjack", ClientVersion: version(), Log: slog.New(slog.DiscardHandler),
		Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Header: func(context.Context, *relay.Call, bool) (http.Header, error) {
			if token == "" {
				return nil, nil
			}
			return http.Header{"Authorization": {"Bearer " + token}}, nil
		},
	})
	return c, nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

func (f *mcpFlags) bearer(stdin io.Reader) (string, error) {
	var text []byte
	var err error
	switch f.token {
	case "":
		text = []byte(os.Getenv(tokenVariable))
	case "-":
		text, err = io.ReadAll(io.LimitReader(stdin, 1<<20))
	default:
		text, err = os.ReadFile(f.token)
	}
	return strings.TrimSpace(string(text)), err
}

func (c *mcpClient) close() {
	c.up.Close()
	c.verifier.Close()
}

// ask makes a call, and answers what the broker asks in the middle of it.
func (c *mcpClient) ask(ctx context.Context, method string, params []byte) ([]byte, error) {
	call := &relay.Call{
		Principal: c.who, Method: method, Params: params, Capabilities: []byte("{}"),
		Notify: func(method string, params []byte) error {
			if text, ok := rpc.Text(params, "message"); ok && method == protocol.NotifyProgress {
				fmt.Fprintln(c.err, plainText(text))
			}
			return nil
		},
	}
	if c.terminal() {
		call.Capabilities = []byte(`{"elicitation":{"form":{},"url":{}}}`)
	}
	for range 10 {
		a, err := c.up.Call(ctx, call)
		if bad, ok := errors.AsType[*upstream.Unauthorized](err); ok {
			return nil, fmt.Errorf("the broker does not take this token (%d); give another by --token", bad.Status)
		}
		switch {
		case err != nil:
			return nil, err
		case a.Err != nil:
			return nil, fmt.Errorf("the broker says: %s", plainText(a.Err.Message))
		case !a.NeedInput:
			return a.Result, nil
		}
		if call.Inputs, err = c.answers(a.Result); err != nil {
			return nil, err
		}
		call.State = a.State
	}
	return nil, errors.New("the server asks and asks")
}

// list prints all pages of the list of tools.
func (c *mcpClient) list(ctx context.Context) error {
	params := []byte("{}")
	for range 1000 {
		result, err := c.ask(ctx, protocol.ListTools, params)
		if err != nil {
			return err
		}
		if c.json {
			fmt.Fprintf(c.out, "%s\n", result)
		} else if err := c.page(result); err != nil {
			return err
		}
		cursor := rpc.Raw(result, "nextCursor")
		if len(cursor) == 0 || cursor[0] != '"' {
			return nil
		}
		if params, err = rpc.Change([]byte("{}")).Set(cursor, "cursor").Bytes(); err != nil {
			return err
		}
	}
	return errors.New("the list does not end")
}

func (c *mcpClient) page(result []byte) error {
	list := rpc.Raw(result, "tools")
	if len(list) == 0 || list[0] != '[' {
		return errors.New("the broker gives no list")
	}
	return rpc.Elements(list, func(_ int, tool []byte) error {
		name, _ := rpc.Text(tool, "name")
		description, _ := rpc.Text(tool, "description")
		first, _, _ := strings.Cut(strings.TrimSpace(description), "\n")
		if r := []rune(first); len(r) > 100 {
			first = string(r[:100]) + "…"
		}
		_, err := fmt.Fprintf(c.out, "%-40s %s\n", plainText(name), plainText(first))
		return err
	})
}

// call calls a tool and prints its texts; what is no text is printed as it stands.
func (c *mcpClient) call(ctx context.Context, tool string, arguments []byte) error {
	params, err := rpc.Change([]byte("{}")).SetText(tool, "name").Set(arguments, "arguments").Bytes()
	if err != nil {
		return err
	}
	result, err := c.ask(ctx, protocol.CallTool, params)
	if err != nil {
		return err
	}
	if c.json {
		fmt.Fprintf(c.out, "%s\n", result)
	} else if list := rpc.Raw(result, "content"); len(list) > 0 && list[0] == '[' {
		err = rpc.Elements(list, func(_ int, part []byte) error {
			text, ok := rpc.Text(part, "text")
			if !ok {
				text = string(part)
			}
			_, err := fmt.Fprintln(c.out, plainText(text))
			return err
		})
	}
	if err == nil && string(rpc.Raw(result, "isError")) == "true" {
		err = errors.New("the tool answers by an error")
	}
	return err
}

// terminal tells whether a person can be asked.
func (c *mcpClient) terminal() bool {
	f, ok := c.in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// answers are a person's to what is asked in the middle of a call.
func (c *mcpClient) answers(result []byte) ([]byte, error) {
	out := rpc.Change([]byte("{}"))
	lines := bufio.NewScanner(c.in)
	err := rpc.Members(rpc.Raw(result, "inputRequests"), func(name string, request []byte) error {
		answer, err := c.answer(lines, request)
		if err == nil {
			out.Set(answer, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.Bytes()
}

// answer asks one question: yes or no, or where to go. What else is wanted of a person is declined.
func (c *mcpClient) answer(lines *bufio.Scanner, request []byte) ([]byte, error) {
	message, _ := rpc.Text(request, "params", "message")
	fmt.Fprintln(c.err, plainText(message))
	if link, ok := rpc.Text(request, "params", "url"); ok {
		fmt.Fprintln(c.err, "Open", plainText(link))
	}
	properties := rpc.Raw(request, "params", "requestedSchema", "properties")
	content := rpc.Change([]byte("{}"))
	if len(properties) > 0 && properties[0] == '{' {
		asked := 0
		err := rpc.Members(properties, func(name string, schema []byte) error {
			if kind, _ := rpc.Text(schema, "type"); kind != "boolean" || asked > 0 {
				return fmt.Errorf("the server wants %s, which is no yes or no; call it from another client", plainText(name))
			}
			asked++
			content.Set([]byte("true"), name)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	fmt.Fprint(c.err, "Go on? [y/N] ")
	if !lines.Scan() || !strings.EqualFold(strings.TrimSpace(lines.Text()), "y") {
		return []byte(`{"action":"decline"}`), lines.Err()
	}
	filled, err := content.Bytes()
	if err != nil {
		return nil, err
	}
	return append(append([]byte(`{"action":"accept","content":`), filled...), '}'), nil
}

// plainText is somebody's text for a terminal, which acts on control characters.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
