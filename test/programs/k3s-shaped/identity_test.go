package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheSecretOfAToken(t *testing.T) {
	for token, want := range map[string]string{
		"plain":                     "plain",
		"server:plain":              "plain",
		"K10abc::server:with:colon": "with:colon",
		"K10abc::server:":           "",
		"K10abc":                    "",
	} {
		got, err := secretOf(token)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s gives %q, %v", token, got, err)
		}
	}
	whole := wholeToken([]byte("ca"), "server", "s")
	if whole != fmt.Sprintf("K10%x::server:s", sha256.Sum256([]byte("ca"))) {
		t.Error(whole)
	}
}

func TestOnlyTheTokenOpensWhatItSealed(t *testing.T) {
	sealed, err := sealWith("secret", []byte("authorities"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := openWith("secret", sealed); err != nil || string(plain) != "authorities" {
		t.Errorf("%q, %v", plain, err)
	}
	for secret, text := range map[string]string{"other": sealed, "secret": "no colon", "secre": "00:AA=="} {
		if _, err := openWith(secret, text); err == nil {
			t.Errorf("%s opened %s", secret, text)
		}
	}
	if bundleKey("secret") == bundleKey("other") {
		t.Error("two secrets, one key")
	}
}

func TestFilesOfTheBundleComeBackUnlessTheDiskIsNewer(t *testing.T) {
	server := newServer("", shape{}, settings{dataDir: t.TempDir()})
	server.secret = "secret"
	if err := server.files.makeFolders(); err != nil {
		t.Fatal(err)
	}
	if err := server.tls.ensure(nil); err != nil {
		t.Fatal(err)
	}
	path := server.tls.cert("server-ca")
	want, _ := os.ReadFile(path)
	kept := time.Now().Add(-time.Hour)
	sealed, err := sealWith("secret", fmt.Appendf(nil,
		`{"ServerCA":{"Timestamp":%q,"Content":"c2VhbGVk"}}`, kept.Format(time.RFC3339)))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.unpack([]byte(sealed)); err == nil {
		t.Error("a newer file was written over")
	}
	if now, _ := os.ReadFile(path); string(now) != string(want) {
		t.Error("the newer file has changed")
	}
	os.Remove(path)
	if err := server.unpack([]byte(sealed)); err != nil {
		t.Error(err)
	}
	if now, _ := os.ReadFile(path); string(now) != "sealed" {
		t.Errorf("%q", now)
	}
}

func TestLeavesAreIssuedAnewWhenTheyHaveTo(t *testing.T) {
	tls := pki{folder: t.TempDir(), firstLeafDays: 100}
	wanted := leaf{authority: "server-ca", path: "a", name: "a", sans: []string{"b", "::1"}}
	ensure := func() time.Duration {
		if err := tls.ensure([]leaf{wanted}); err != nil {
			t.Fatal(err)
		}
		certificate, err := readCertificate(tls.cert("a"))
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(certificate.NotAfter).Round(day)
	}
	if left := ensure(); left != 100*day {
		t.Errorf("the first one has %s left", left)
	}
	if left := ensure(); left != leafLife {
		t.Errorf("with 100 days it was issued anew and has %s left", left)
	}
	same := func() bool {
		before, _ := os.ReadFile(tls.cert("a"))
		ensure()
		after, _ := os.ReadFile(tls.cert("a"))
		return string(before) == string(after)
	}
	if !same() {
		t.Error("a good one was issued anew")
	}
	wanted.sans = []string{"b", "::2"}
	if same() {
		t.Error("other names did not matter")
	}
	os.Remove(tls.cert("server-ca"))
	if same() {
		t.Error("another authority did not matter")
	}
}

func TestShapesAreChecked(t *testing.T) {
	for text, isGood := range map[string]bool{
		`{}`:                             true,
		`{"version":"v1.37.0+k3s1"}`:     true,
		`{"version":"v1.36.0-rc1+k3s1"}`: true,
		`{"version":"v1.37.0"}`:          false,
		`{"behaviour":"slow-sql"}`:       true,
		`{"behaviour":"slow"}`:           false,
		`{"delay":1}`:                    false,
	} {
		if _, err := parseShape([]byte(text)); (err == nil) != isGood {
			t.Errorf("%s gives %v", text, err)
		}
	}
	half := 0.5
	if (shape{Behaviour: "slow-start", DelaySeconds: &half}).delay() != time.Second/2 {
		t.Error("the delay was not taken")
	}
	if (shape{Behaviour: "slow-start"}).delay() != 90*time.Second {
		t.Error("a slow start is one of 90 seconds")
	}
}

func TestUnpackingTurnsCurrentAndPrevious(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first, err := extract(data, "v1.36.3+k3s1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := extract(data, "v1.36.4+k3s1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := extract(data, "v1.36.4+k3s1")
	if err != nil || again != second || first == second {
		t.Errorf("%s, %s, %s, %v", first, second, again, err)
	}
	for name, want := range map[string]string{"current": second, "previous": first} {
		if got, _ := os.Readlink(filepath.Join(data, name)); got != want {
			t.Errorf("%s leads to %s", name, got)
		}
	}
	if _, err := os.Stat(filepath.Join(second, "bin/k3s-server")); err != nil {
		t.Error(err)
	}
}

func TestLinesAreWrittenAsK3sWritesThem(t *testing.T) {
	at := time.Date(2026, 11, 22, 7, 1, 2, 0, time.UTC)
	fields := map[string]string{"name": "List", "duration": "6.2s", "started": "07:01"}
	want := `time="2026-11-22T07:01:02Z" level=info msg="Slow SQL" duration=6.2s name=List started="07:01"`
	if got := logrusLine(at, "info", "Slow SQL", fields); got != want {
		t.Error(got)
	}
	kine := `{"message":"Slow SQL","severity":"info","time":"2026-11-22T07:01:02.5Z","duration":"6.2s","name":"List","started":"07:01"}`
	if got := asLogrus(kine); got != want {
		t.Error(got)
	}
	for _, line := range []string{`{"level":"warn","msg":"not kine's"}`, "I1122 07:01:02.123456 1 a.go:1] b", ""} {
		if asLogrus(line) != line {
			t.Error(line)
		}
	}
}

func TestTheLastFailureOfAPartIsItsReason(t *testing.T) {
	for said, want := range map[string]string{
		"I1122 07:01:02.1 1 a.go:1] fine\nE1122 07:01:02.1 1 a.go:1] failed\nW1122 07:01:02.1 1 a.go:1] oh\n": "failed",
		"F1122 07:01:02.1 1 a.go:1] at once":   "at once",
		`time="t" level=fatal msg="no"` + "\n": `"no"`,
		"usage: \nunknown flag: --x\n":         "unknown flag: --x",
		"":                                     "",
	} {
		if got := copyLines(strings.NewReader(said)); got != want {
			t.Errorf("%q: %q", said, got)
		}
	}
}
