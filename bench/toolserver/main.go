// Command toolserver is the MCP server behind the benchmark's broker: one tool, answered at once, in a process of its own so that
// the load generator does not share a scheduler with it.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "toolserver:", err)
		os.Exit(1)
	}
	answer := mcpserver.Text("the balance of the account is 12 and a half, as it was when it was last looked at")
	answer["structuredContent"] = mcpserver.Object{"tool": "tool_0"} // which the load generator looks for
	s := mcpserver.New(mcpserver.Config{Tools: map[string]mcpserver.Item{
		"tool_0": mcpserver.Tool("tool_0", "", func(*mcpserver.Call) (any, *mcpserver.Error) { return answer, nil }),
	}})
	s.Serve(l)
	fmt.Println(l.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	s.Close()
}
