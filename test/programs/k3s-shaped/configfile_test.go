package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeConfig(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "config.yaml")
}

func noVariable(string) string { return "" }

func TestTheConfigFileComesBeforeTheCommandLine(t *testing.T) {
	path := writeConfig(t, map[string]string{
		"config.yaml":          "node-name: a\ndisable-agent: true\ndisable:\n- coredns\n- traefik\nno-such-key: 1\n",
		"config.yaml.d/1.yaml": "node-name: b\ndisable+: [servicelb]\n",
		"config.yaml.d/2.yml":  "https-listen-port: 7443\n",
	})
	args, err := withConfigFile([]string{"--config", path, "--node-name=c"}, "/nowhere.yaml", noVariable)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"--node-name=b", "--disable-agent=true", "--disable=coredns", "--disable=traefik", "--disable=servicelb",
		"--https-listen-port=7443", "--config", path, "--node-name=c",
	}
	if !slices.Equal(args, want) {
		t.Errorf("%q", args)
	}
}

func TestTheVariableBeatsTheFlag(t *testing.T) {
	path := writeConfig(t, map[string]string{"config.yaml": "node-name: of-the-variable\n"})
	getenv := func(name string) string { return map[string]string{"K3S_CONFIG_FILE": path}[name] }
	args, err := withConfigFile([]string{"--config=/nowhere.yaml"}, "/nowhere.yaml", getenv)
	if err != nil || args[0] != "--node-name=of-the-variable" {
		t.Errorf("%q, %v", args, err)
	}
}

func TestANamedConfigFileHasToBeThere(t *testing.T) {
	if _, err := withConfigFile([]string{"--config=/nowhere.yaml"}, "/", noVariable); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

func TestAConfigFileHoldsKeysAndValues(t *testing.T) {
	for content, words := range map[string]string{
		"- a\n":     "it has to hold keys and values",
		"a: [\n":    "did not find",
		"{}\n":      "",
		"# nothing": "",
	} {
		_, err := withConfigFile([]string{"--config=" + writeConfig(t, map[string]string{"config.yaml": content})}, "", noVariable)
		if (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%q gives %v", content, err)
		}
	}
}

func TestTheStandardConfigFileNeedNotBeThere(t *testing.T) {
	args, err := withConfigFile([]string{"--debug"}, "/nowhere.yaml", noVariable)
	if err != nil || !slices.Equal(args, []string{"--debug"}) {
		t.Errorf("%q, %v", args, err)
	}
	path := writeConfig(t, map[string]string{"config.yaml": "token: t\n"})
	args, err = withConfigFile(nil, path, noVariable)
	if err != nil || !slices.Equal(args, []string{"--token=t"}) {
		t.Errorf("%q, %v", args, err)
	}
}
