package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// withConfigFile puts what the configuration file says in front of the command line.
// The variable beats the flag; only the standard file, which is read when none is named, may be missing.
func withConfigFile(args []string, standard string, getenv func(string) string) ([]string, error) {
	path, named := configFileOf(args, getenv)
	if !named {
		path = standard
	}
	entries := &configEntries{}
	for _, file := range append([]string{path}, dropIns(path)...) {
		err := entries.read(file)
		if file == path && !named && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return append(entries.flags(), args...), nil
}

func configFileOf(args []string, getenv func(string) string) (string, bool) {
	if path := getenv("K3S_CONFIG_FILE"); path != "" {
		return path, true
	}
	for i, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		if name != "--config" && name != "-c" {
			continue
		}
		if hasValue {
			return value, true
		}
		if i+1 < len(args) {
			return args[i+1], true
		}
	}
	return "", false
}

// dropIns are the files of `<config>.d`, in the order of their names.
func dropIns(path string) []string {
	var files []string
	for _, ending := range []string{"*.yaml", "*.yml"} {
		found, _ := filepath.Glob(filepath.Join(path+".d", ending))
		files = append(files, found...)
	}
	sort.Strings(files)
	return files
}

// configEntries are keys with their values, in the order in which they were first met.
type configEntries struct {
	keys   []string
	values map[string][]string
}

func (c *configEntries) read(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(document.Content) == 0 {
		return nil
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return fmt.Errorf("%s: it has to hold keys and values", path)
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i].Value, top.Content[i+1]
		name, isAppended := strings.CutSuffix(key, "+")
		if _, known := documented[name]; !known {
			warn("Unknown flag --%s found in config.yaml, skipping", name)
			continue
		}
		c.set(name, valuesOf(value), isAppended)
	}
	return nil
}

func valuesOf(node *yaml.Node) []string {
	if node.Kind != yaml.SequenceNode {
		return []string{node.Value}
	}
	var values []string
	for _, item := range node.Content {
		values = append(values, item.Value)
	}
	return values
}

func (c *configEntries) set(key string, values []string, isAppended bool) {
	if c.values == nil {
		c.values = map[string][]string{}
	}
	if _, known := c.values[key]; !known {
		c.keys = append(c.keys, key)
	}
	if isAppended {
		values = append(c.values[key], values...)
	}
	c.values[key] = values
}

func (c *configEntries) flags() []string {
	var flags []string
	for _, key := range c.keys {
		for _, value := range c.values[key] {
			flags = append(flags, fmt.Sprintf("--%s=%s", key, value))
		}
	}
	return flags
}
