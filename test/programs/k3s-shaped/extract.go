package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// becomeExtracted unpacks itself below the data directory and becomes what it unpacked: the same
// process, with another executable. It returns only when that fails.
func becomeExtracted(home string, shape shape, flags flagValues) error {
	dataDir := os.Getenv("K3S_DATA_DIR") // Here it beats the flag; the server itself goes by the flag.
	if dataDir == "" {
		dataDir = dataDirFor(flags, thisHost(shape))
	}
	folder, err := extract(filepath.Join(dataDir, "data"), shape.Version)
	if err != nil {
		return err
	}
	server := filepath.Join(folder, "bin/k3s-server")
	return syscall.Exec(server, os.Args, append(os.Environ(), homeVariable+"="+home))
}

// extract returns data/<sha256>, complete, and turns `current` and `previous` when it is new.
func extract(data, version string) (string, error) {
	executable, err := os.Executable()
	if err != nil {
		return "", err
	}
	sum, err := sumOf(executable, version)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return "", err
	}
	folder := filepath.Join(data, sum)
	info("Acquiring lock file %s", filepath.Join(data, ".lock"))
	lock, err := os.OpenFile(filepath.Join(data, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}

	info("Preparing data dir %s", folder)
	unfinished := folder + "-tmp"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	bin := filepath.Join(unfinished, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	if err := linkOrCopy(executable, filepath.Join(bin, "k3s")); err != nil {
		return "", err
	}
	for _, name := range []string{"k3s-server", "k3s-agent", "kubectl"} {
		if err := os.Symlink("k3s", filepath.Join(bin, name)); err != nil {
			return "", err
		}
	}
	sums := fmt.Sprintf("%s *bin/k3s\n", sum)
	if err := os.WriteFile(filepath.Join(unfinished, ".sha256sums"), []byte(sums), 0o644); err != nil {
		return "", err
	}
	if err := rotate(data, folder); err != nil {
		return "", err
	}
	return folder, os.Rename(unfinished, folder)
}

// sumOf makes two versions of one executable two.
func sumOf(executable, version string) (string, error) {
	file, err := os.Open(executable)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	hash.Write([]byte(version))
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}

func rotate(data, folder string) error {
	current, previous := filepath.Join(data, "current"), filepath.Join(data, "previous")
	if target, err := os.Readlink(current); err == nil {
		if err := replaceSymlink(target, previous); err != nil {
			return err
		}
	}
	return replaceSymlink(folder, current)
}

func replaceSymlink(target, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}
