package pods

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcommand "k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// TestAttach attaches over a real WebSocket: what is asked for, and that each stream is the right one and ends.
func TestAttach(t *testing.T) {
	asked := make(chan string, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.String()
		conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{remotecommand.StreamProtocolV5Name: {Binary: true, Channels: []wsstream.ChannelType{
			wsstream.ReadChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.IgnoreChannel,
		}}})
		_, streams, err := conn.Open(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(streams[remotecommand.StreamStdErr], "hello\n")
		_, _ = io.Copy(streams[remotecommand.StreamStdOut], streams[remotecommand.StreamStdIn])
	}))
	defer api.Close()
	access := &rest.Config{Host: api.URL}
	client, err := kubernetes.NewForConfig(access)
	must(t, err)
	e, err := executors(access, client)(namespace, "yellowjack-files-x")
	must(t, err)
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	stderr, errs := io.Pipe()
	over := make(chan error, 1)
	go func() {
		over <- e.StreamWithContext(t.Context(), clientcommand.StreamOptions{Stdin: in, Stdout: out, Stderr: errs})
		_, _ = out.Close(), errs.Close()
	}()
	if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("stderr: %q %v", line, err)
	}
	_, err = io.WriteString(stdin, "{\"a\": 1}\n")
	must(t, err)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "{\"a\": 1}\n" {
		t.Errorf("stdout: %q %v", line, err)
	}
	must(t, stdin.Close()) // which the server's end of input is
	if err := <-over; err != nil {
		t.Error(err)
	}
	want := "GET /api/v1/namespaces/tools/pods/yellowjack-files-x/attach?container=server&stderr=true&stdin=true&stdout=true"
	if got := <-asked; got != want {
		t.Errorf("asked: %s", got)
	}
	client.RESTClient().(*rest.RESTClient).Client.CloseIdleConnections()
}
