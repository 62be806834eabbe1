package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// K3s writes two dialects to one stream, its own (logrus) and that of the Kubernetes parts (klog).

var logLock sync.Mutex

func writeLine(line string) {
	logLock.Lock()
	defer logLock.Unlock()
	io.WriteString(os.Stderr, line+"\n")
}

func logAt(level, format string, values ...any) {
	writeLine(logrusLine(time.Now(), level, fmt.Sprintf(format, values...), nil))
}

// logrusLine is a line of the first dialect; fields follow the message in the order of their names.
func logrusLine(at time.Time, level, message string, fields map[string]string) string {
	line := fmt.Sprintf("time=%q level=%s msg=%s", at.UTC().Format(time.RFC3339), level, quoted(message))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		line += fmt.Sprintf(" %s=%s", name, quoted(fields[name]))
	}
	return line
}

var plainWord = regexp.MustCompile(`^[-._/@^+a-zA-Z0-9]*$`)

// quoted is a value as logrus writes it: in quotation marks only where it needs them.
func quoted(value string) string {
	if plainWord.MatchString(value) {
		return value
	}
	return strconv.Quote(value)
}

func info(format string, values ...any)     { logAt("info", format, values...) }
func warn(format string, values ...any)     { logAt("warning", format, values...) }
func logError(format string, values ...any) { logAt("error", format, values...) }

// fatal says it and ends with 1, whatever else runs.
func fatal(format string, values ...any) {
	logAt("fatal", format, values...)
	os.Exit(1)
}

// klogError says it the way the Kubernetes parts do.
func klogError(file, format string, values ...any) {
	stamp := time.Now().Format("0102 15:04:05.000000")
	writeLine(fmt.Sprintf("E%s %7d %s] %s", stamp, os.Getpid(), file, fmt.Sprintf(format, values...)))
}

// lineWriter turns what a library writes into lines at this level.
type lineWriter string

func (w lineWriter) Write(text []byte) (int, error) {
	logAt(string(w), "%s", strings.TrimSpace(string(text)))
	return len(text), nil
}
