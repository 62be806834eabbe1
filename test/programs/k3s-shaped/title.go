package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// setTitle makes the process list show `title` in place of the command line, which may hold secrets.
// The variables the process was started with are wiped as well: nothing may be built on seeing them.
func setTitle(title string) error {
	// Go's own words of the command line lie in the memory that is about to be written over.
	for i, word := range os.Args {
		os.Args[i] = strings.Clone(word)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	// The second field is the program's name in brackets and may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	if len(fields) < 50 {
		return fmt.Errorf("/proc/self/stat has %d fields", len(fields))
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	text := title
	for _, at := range []int{45, 47} { // From arg_start to arg_end, from env_start to env_end.
		start, _ := strconv.ParseInt(fields[at], 10, 64)
		end, _ := strconv.ParseInt(fields[at+1], 10, 64)
		content := make([]byte, max(end-start, 0))
		copy(content, text)
		if _, err := memory.WriteAt(content, start); err != nil {
			return err
		}
		text = ""
	}
	return nil
}
