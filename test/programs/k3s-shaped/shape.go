package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"time"
)

// shape is what shape.json may say; everything in it can be left out.
type shape struct {
	// Version is what this executable claims to be, such as "v1.36.4+k3s1".
	Version string `json:"version"`
	// Behaviour is a key of behaviours, or nothing for a good one.
	Behaviour string `json:"behaviour"`
	// DelaySeconds is how long the behaviour waits, where it waits at all.
	DelaySeconds *float64 `json:"delaySeconds"`
	// Message replaces the words of a behaviour that says something.
	Message string `json:"message"`
	// Etc is where a K3s of root puts its node password and its kubeconfig, and where it looks for a
	// configuration file that is not named: /etc/rancher.
	Etc string `json:"etc"`
	// LeafDays is how much of their life new certificates have left. A certificate that is issued
	// anew at a later start has all of it.
	LeafDays int `json:"leafDays"`
	// SourceBuild makes it a K3s compiled without the release assets: no manifests of its own.
	SourceBuild bool `json:"sourceBuild"`
	// RbacWaitSeconds is how long such a one waits for its role before it gives up: 15 minutes.
	RbacWaitSeconds float64 `json:"rbacWaitSeconds"`
}

// behaviours are the ways in which it can be a bad one.
var behaviours = map[string]struct {
	means string
	delay time.Duration
	words string
}{
	"crash-at-start": {
		means: "ends with 1 before it listens",
		words: "starting kubernetes: preparing server: something is wrong with this host",
	},
	"refuse-data": {
		means: "ends with 1 when another version has used the data directory before",
		words: "starting kubernetes: preparing server: cannot use the data of another version",
	},
	"datastore-locked": {
		means: "ends with 1 because of a locked database",
		words: "starting kubernetes: preparing server: creating storage endpoint: " +
			"failed to create driver for default endpoint: setup db: database is locked",
	},
	"datastore-stays-locked": {
		means: "answers /ping, and says again and again that its database is locked",
		words: "error while waiting for datastore: database is locked",
	},
	"never-ready":             {means: "answers /ping, and /readyz with 503 for ever"},
	"controllers-never-ready": {means: "answers /v1-k3s/readyz with 503 for ever"},
	"slow-start":              {means: "starts its API server late", delay: 90 * time.Second},
	"unauthorized":            {means: "answers /readyz and /livez with 401, whoever asks"},
	"stale-kubeconfig":        {means: "leaves the kubeconfig that is there, or writes one of another life"},
	"ignore-sigterm":          {means: "ends only when it is killed"},
	"exit-0-after-failure": {
		means: "loses a component some time after it was ready, and ends with 0",
		delay: 3 * time.Second,
		words: "controller-manager exited: context deadline exceeded",
	},
	"panic-after-ready": {
		means: "panics some time after it was ready, and ends with 2",
		delay: 3 * time.Second,
		words: "runtime error: invalid memory address or nil pointer dereference",
	},
	"killed-after-ready": {
		means: "is killed some time after it was ready, as by the kernel when memory is short",
		delay: 3 * time.Second,
	},
	"deaf-after-ready": {
		means: "takes connections and answers nothing some time after it was ready",
		delay: 3 * time.Second,
	},
	"slow-sql": {
		means: "tells of slow statements once it is ready",
		words: "Slow SQL: SELECT ( SELECT MAX(rkv.id) AS id FROM kine AS rkv ), COUNT(c.theid)",
	},
	"compact-failed": {
		means: "tells of compactions that failed once it is ready",
		words: "Compact failed: failed to compact to revision 1000: database is locked",
	},
}

var versionPattern = regexp.MustCompile(`^v1\.(\d+)\.\d+(-\w+(\.\d+)?)?\+k3s\d+$`)

// readShape reads shape.json, which need not be there.
func readShape(path string) (shape, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte("{}")
	} else if err != nil {
		return shape{}, err
	}
	return parseShape(text)
}

func parseShape(text []byte) (shape, error) {
	result := shape{Version: "v1.36.4+k3s1", Etc: "/etc/rancher", RbacWaitSeconds: 900}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&result); err != nil {
		return shape{}, fmt.Errorf("shape.json: %w", err)
	}
	if _, known := behaviours[result.Behaviour]; result.Behaviour != "" && !known {
		return shape{}, fmt.Errorf("shape.json: no behaviour is called %q", result.Behaviour)
	}
	if !versionPattern.MatchString(result.Version) {
		return shape{}, fmt.Errorf("shape.json: %q is no version of K3s", result.Version)
	}
	return result, nil
}

// minor is the Kubernetes minor version: 36.
func (s shape) minor() int {
	minor, _ := strconv.Atoi(versionPattern.FindStringSubmatch(s.Version)[1])
	return minor
}

func (s shape) is(behaviour string) bool { return s.Behaviour == behaviour }

// delay is how long its behaviour waits.
func (s shape) delay() time.Duration {
	if s.DelaySeconds != nil {
		return time.Duration(*s.DelaySeconds * float64(time.Second))
	}
	return behaviours[s.Behaviour].delay
}

// words are what its behaviour says.
func (s shape) words() string {
	if s.Message != "" {
		return s.Message
	}
	return behaviours[s.Behaviour].words
}
