// A client of the kubelet API built from Kubernetes' own libraries, for tests.
//
//	spdy-client exec    [flags] -- URL     runs one command; exits with its exit code
//	spdy-client repeat  [flags] -- URL N   runs it N times; prints the median in milliseconds
//	spdy-client forward [flags] -- URL     one line of standard input a task: PORT BYTES
//
// A forward task sends BYTES bytes to the port, ends its half, reads to the end, and prints
// "PORT ok DIGEST" or "PORT failed REASON"; tasks run side by side.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	clientexec "k8s.io/client-go/util/exec"
)

var (
	ca        = flag.String("ca", "", "PEM file of the server's CA")
	cert      = flag.String("cert", "", "PEM file of the client certificate")
	key       = flag.String("key", "", "PEM file of its key")
	token     = flag.String("token", "", "bearer token")
	webSocket = flag.Bool("websocket", false, "WebSocket (version 5, or tunnelled) in place of SPDY")
	stdin     = flag.Bool("stdin", false, "send standard input")
	name      = flag.String("server-name", "127.0.0.1", "whom the server's certificate is to name")
	tty       = flag.String("tty", "", "terminal sizes one after another, such as 80x24,100x40")
)

func main() {
	command := os.Args[1]
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	config := &rest.Config{
		BearerToken: *token,
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: *ca, CertFile: *cert, KeyFile: *key, ServerName: *name,
		},
	}
	target, err := url.Parse(flag.Arg(0))
	if err != nil {
		fail(err)
	}
	switch command {
	case "exec":
		finish(run(config, target, os.Stdout))
	case "repeat":
		repeat(config, target)
	case "forward":
		forward(config, target)
	default:
		fail(fmt.Errorf("unknown command %q", command))
	}
}

func run(config *rest.Config, target *url.URL, stdout io.Writer) error {
	executor, err := executorFor(config, target)
	if err != nil {
		return err
	}
	options := remotecommand.StreamOptions{Stdout: stdout, Stderr: os.Stderr}
	if *stdin {
		options.Stdin = os.Stdin
	}
	if *tty != "" {
		options.Tty = true
		options.Stderr = nil
		options.TerminalSizeQueue = sizesOf(*tty)
	}
	return executor.StreamWithContext(context.Background(), options)
}

func executorFor(config *rest.Config, target *url.URL) (remotecommand.Executor, error) {
	if *webSocket {
		return remotecommand.NewWebSocketExecutor(config, http.MethodGet, target.String())
	}
	return remotecommand.NewSPDYExecutor(config, http.MethodPost, target)
}

func repeat(config *rest.Config, target *url.URL) {
	times, err := strconv.Atoi(flag.Arg(1))
	if err != nil {
		fail(err)
	}
	var took []time.Duration
	for range times {
		began := time.Now()
		if err := run(config, target, io.Discard); err != nil {
			finish(err)
		}
		took = append(took, time.Since(began))
	}
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })
	fmt.Printf("%.2f\n", float64(took[len(took)/2].Microseconds())/1000)
}

type sizes chan remotecommand.TerminalSize

func (s sizes) Next() *remotecommand.TerminalSize {
	size, more := <-s
	if !more {
		return nil
	}
	return &size
}

func sizesOf(list string) sizes {
	all := strings.Split(list, ",")
	queue := make(sizes, len(all))
	for _, text := range all {
		var size remotecommand.TerminalSize
		if _, err := fmt.Sscanf(text, "%dx%d", &size.Width, &size.Height); err != nil {
			fail(err)
		}
		queue <- size
	}
	close(queue)
	return queue
}

func forward(config *rest.Config, target *url.URL) {
	connection, err := dial(config, target)
	if err != nil {
		fail(err)
	}
	defer connection.Close()

	var tasks sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	for number := 0; lines.Scan(); number++ {
		var port, size int
		if _, err := fmt.Sscan(lines.Text(), &port, &size); err != nil {
			fail(err)
		}
		tasks.Go(func() {
			began := time.Now()
			digest, err := exchange(connection, number, port, size)
			if err != nil {
				fmt.Printf("%d failed %v\n", port, err)
				return
			}
			fmt.Printf("%d ok %s %d\n", port, digest, time.Since(began).Milliseconds())
		})
	}
	tasks.Wait()
}

func dial(config *rest.Config, target *url.URL) (httpstream.Connection, error) {
	if *webSocket {
		dialer, err := portforward.NewSPDYOverWebsocketDialer(target, config)
		if err != nil {
			return nil, err
		}
		connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		return connection, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport}
	dialer := spdy.NewDialer(upgrader, client, http.MethodPost, target)
	connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	return connection, err
}

// exchange does what kubectl does for one connection to its local port.
func exchange(connection httpstream.Connection, number, port, size int) (string, error) {
	headers := http.Header{}
	headers.Set("port", strconv.Itoa(port))
	headers.Set("requestID", strconv.Itoa(number))
	headers.Set("streamType", "error")
	failures, err := connection.CreateStream(headers)
	if err != nil {
		return "", err
	}
	failures.Close()
	headers.Set("streamType", "data")
	data, err := connection.CreateStream(headers)
	if err != nil {
		return "", err
	}
	defer connection.RemoveStreams(failures, data)

	go func() {
		io.Copy(data, io.LimitReader(pattern{}, int64(size)))
		data.Close()
	}()
	// Beside the data, as kubectl does: the library hands some pairs of streams to one worker, and
	// an error that nobody reads would keep it from the end of the data.
	told := make(chan error, 1)
	go func() {
		message, err := io.ReadAll(failures)
		if err == nil && len(message) > 0 {
			err = errors.New(string(message))
		}
		told <- err
	}()
	digest := sha256.New()
	received, err := io.Copy(digest, data)
	if err != nil {
		return "", err
	}
	if err := <-told; err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %x", received, digest.Sum(nil)), nil
}

// pattern gives the same bytes for ever.
type pattern struct{}

var block = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz012345"), 2048)

func (pattern) Read(into []byte) (int, error) { return copy(into, block), nil }

func finish(err error) {
	var exit clientexec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitStatus())
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(99)
}
