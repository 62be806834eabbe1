package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// part is one of the upstream parts, running.
type part struct {
	name    string
	process *os.Process
	// done is closed when it has ended and all it said is written; err and words are set by then.
	done  chan struct{}
	err   error
	words string
}

// partsIn starts parts from this folder. The kernel ends a part together with the thread that started
// it, so that one thread, which lives as long as the process does, starts them all.
type partsIn struct {
	home     string
	requests chan func()
}

func newParts(home string) *partsIn {
	p := &partsIn{home: home, requests: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for start := range p.requests {
			start()
		}
	}()
	return p
}

// start runs `kube <name> <args>` in the current folder, and writes what it says line by line.
func (p *partsIn) start(name string, args []string) (*part, error) {
	command := exec.Command(filepath.Join(p.home, "kube"), append([]string{name}, args...)...)
	output, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// It says nothing to the first, and is known by it as a piece of this process, as it would be of K3s.
	command.Stdout, command.Stderr = os.Stderr, writer
	err = p.launch(command)
	writer.Close()
	if err != nil {
		return nil, err
	}
	part := &part{name: name, process: command.Process, done: make(chan struct{})}
	go func() {
		words := copyLines(output)
		part.err = command.Wait()
		status, isStatus := command.ProcessState.Sys().(syscall.WaitStatus)
		if words == "" || isStatus && status.Signaled() {
			words = fmt.Sprint(part.err)
		}
		part.words = words
		close(part.done)
	}()
	return part, nil
}

// launch starts a command that does not outlive this process, and that no signal to its group reaches.
func (p *partsIn) launch(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	p.requests <- func() { started <- command.Start() }
	return <-started
}

var failureLine = regexp.MustCompile(`^[EF]\d{4} [^\]]*\] (.*)$|^time="[^"]*" level=(?:error|fatal) msg=(.*)$`)

// copyLines writes each line and returns what the last failure among them says, else the last line.
func copyLines(output io.Reader) string {
	failure, last := "", ""
	reader := bufio.NewReader(output)
	for {
		line, err := reader.ReadString('\n')
		if line = asLogrus(strings.TrimRight(line, "\n")); line != "" {
			writeLine(line)
			last = line
		}
		if match := failureLine.FindStringSubmatch(line); match != nil {
			failure = match[1] + match[2]
		}
		if err != nil && failure == "" {
			return last
		} else if err != nil {
			return failure
		}
	}
}

// asLogrus turns kine's lines, which are JSON here, into those that it writes inside K3s.
func asLogrus(line string) string {
	var fields map[string]any
	if !strings.HasPrefix(line, `{"`) || json.Unmarshal([]byte(line), &fields) != nil || fields["severity"] == nil {
		return line
	}
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(fields["time"]))
	if err != nil {
		return line
	}
	rest := map[string]string{}
	for name, value := range fields {
		rest[name] = fmt.Sprint(value)
	}
	level, message := rest["severity"], rest["message"]
	for _, name := range []string{"severity", "message", "time"} {
		delete(rest, name)
	}
	return logrusLine(at, level, message, rest)
}

func (p *part) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks it to end, and ends it when it has not by then.
func (p *part) stop(grace time.Duration) {
	p.process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.process.Kill()
		<-p.done
	}
}
