package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// server is one run of `k3s server`.
type server struct {
	home     string
	shape    shape
	settings settings
	files    files
	tls      pki
	parts    *partsIn
	gate     gate
	secret   string
	users    map[string]user
	client   *apiClient

	kine      *part
	others    []*part // in the order in which they were started
	shutdowns chan string
}

func newServer(home string, shape shape, settings settings) *server {
	files := files{settings.dataDir}
	return &server{
		home:      home,
		shape:     shape,
		settings:  settings,
		files:     files,
		tls:       pki{folder: files.server("tls"), firstLeafDays: shape.LeafDays},
		parts:     newParts(home),
		shutdowns: make(chan string, 8),
	}
}

// run starts everything, waits for a reason to stop, stops everything, and returns the exit code.
func (s *server) run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if s.shape.is("ignore-sigterm") {
		signal.Stop(signals)
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	}

	notify := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	started := make(chan error, 1)
	go func() {
		started <- s.start(ctx, notify)
		close(started)
	}()

	starting := started
	for {
		select {
		case err := <-starting:
			if err != nil && !errors.Is(err, context.Canceled) {
				fatal("Error: %v", err)
			}
			starting = nil
			continue
		case reason := <-s.shutdowns:
			logError("Shutdown request received: %q", reason)
		case <-signals:
			info("Shutting down on a signal")
		}
		break
	}
	go func() {
		<-signals
		os.Exit(1) // The second one; the kernel ends the parts.
	}()
	cancel()
	select {
	case <-started: // Whatever it was about to start is started, or never will be.
	case <-time.After(time.Second):
	}
	s.stop()
	return 0
}

// requestShutdown ends it in an orderly way, with exit code 0, as K3s does when a component fails.
func (s *server) requestShutdown(reason string) {
	select {
	case s.shutdowns <- reason:
	default:
	}
}

// start goes in K3s' order; an error that it returns is a fatal one.
func (s *server) start(ctx context.Context, notifySocket string) error {
	info("Starting k3s %s (shaped)", s.shape.Version)
	if s.shape.is("crash-at-start") || s.refusesData() {
		return errors.New(s.shape.words())
	}
	if err := s.prepare(ctx); err != nil {
		return fmt.Errorf("starting kubernetes: preparing server: %w", err)
	}
	s.gate.handlers.Store(true)
	if s.shape.is("datastore-stays-locked") {
		s.repeat(ctx, "error", nil)
		return ctx.Err()
	}
	if err := s.bootstrapAgent(ctx); err != nil {
		return err
	}
	if s.shape.is("slow-start") {
		sleep(ctx, s.shape.delay())
	}
	if !s.shape.is("never-ready") {
		args := s.apiserverArgs()
		info("Running kube-apiserver %s", strings.Join(args, " "))
		if err := s.startAPIServer(ctx, args); err != nil {
			return err
		}
	}
	if err := s.writeTokens(); err != nil {
		return err
	}
	s.writeKubeconfig()
	info("Polling for API server readiness: GET /readyz failed: connection refused")
	if err := s.waitForAPI(ctx); err != nil {
		return err
	}
	info("Kube API server is now running")
	info("k3s is up and running")
	sayReady(notifySocket)
	return s.startControllers(ctx)
}

// startAPIServer starts it, unless it would not start because of what endpoints.go does in its place.
func (s *server) startAPIServer(ctx context.Context, args []string) error {
	service, advertised := s.settings.serviceCIDRs[0], s.settings.advertise
	if service.Addr().Is6() == advertised.Is6() {
		return s.runPart(ctx, "apiserver", args)
	}
	words := fmt.Sprintf("service IP family %q must match public address family %q",
		service.String(), advertised.String())
	klogError("run.go:72", "\"command failed\" err=%q", words)
	s.requestShutdown("apiserver exited: " + words)
	return nil
}

func (s *server) refusesData() bool {
	return s.shape.is("refuse-data") && exists(filepath.Join(s.settings.dataDir, "data/previous"))
}

// prepare brings the datastore, the certificates and the supervisor's port.
func (s *server) prepare(ctx context.Context) error {
	if err := s.files.makeFolders(); err != nil {
		return err
	}
	if err := os.Chdir(s.files.server()); err != nil {
		return err
	}
	s.setNoProxy()
	if err := s.checkPrograms(); err != nil {
		return err
	}
	if s.settings.joinURL != "" {
		return join(s.settings.joinURL)
	}
	var err error
	if s.secret, err = secretFor(s.settings.token, s.files.server("token")); err != nil {
		return err
	}
	if s.shape.is("datastore-locked") {
		return errors.New(strings.TrimPrefix(s.shape.words(), "starting kubernetes: preparing server: "))
	}
	if s.shape.is("datastore-stays-locked") {
		return s.makeIdentity()
	}
	datastore, err := s.startDatastore(ctx)
	if err != nil {
		return err
	}
	defer datastore.Close()
	isKept, err := s.loadBundle(ctx, datastore)
	if err != nil {
		return err
	}
	if err := s.makeIdentity(); err != nil {
		return err
	}
	if isKept {
		return nil
	}
	return s.saveBundle(ctx, datastore)
}

// makeIdentity makes all that tells who it is, and opens the supervisor's port.
func (s *server) makeIdentity() error {
	if err := s.tls.ensure(leaves(s.settings)); err != nil {
		return err
	}
	for _, step := range []func() error{
		s.writePasswd, s.ensureEncryption, s.writeReferenceKubeconfigs, s.writeEgressConfig, s.serveSupervisor,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	var err error
	s.client, err = s.newAPIClient()
	return err
}

func (s *server) writeEgressConfig() error {
	content := "apiVersion: apiserver.k8s.io/v1beta1\nkind: EgressSelectorConfiguration\negressSelections: []\n"
	return writeFile(s.files.server("etc/egress-selector-config.yaml"), []byte(content), 0o600)
}

// checkPrograms looks for what flannel needs and a build without the release assets does not bring.
func (s *server) checkPrograms() error {
	if s.settings.flannel == "none" || !s.shape.SourceBuild {
		return nil
	}
	_, err := exec.LookPath("host-local")
	return err
}

// join tries to become one more server of another cluster, which is not stood in for.
func join(url string) error {
	client := &http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get(strings.TrimSuffix(url, "/") + "/cacerts")
	if err != nil {
		return fmt.Errorf("failed to get CA certs: %w", err)
	}
	answer.Body.Close()
	return fmt.Errorf("k3s-shaped: %s is there, and this stand-in joins no cluster", url)
}

func (s *server) setNoProxy() {
	list := []string{os.Getenv("NO_PROXY"), ".svc", "." + s.settings.clusterDomain,
		joined(s.settings.clusterCIDRs), joined(s.settings.serviceCIDRs)}
	os.Setenv("NO_PROXY", strings.TrimPrefix(strings.Join(list, ","), ","))
	os.Unsetenv("no_proxy")
}

// startDatastore starts kine and waits until it answers.
func (s *server) startDatastore(ctx context.Context) (*clientv3.Client, error) {
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "KINE_") {
			warn("k3s-shaped: the datastore takes %s from the environment", entry)
		}
	}
	os.Remove("kine.sock")
	kine, err := s.parts.start("kine", s.kineArgs())
	if err != nil {
		return nil, err
	}
	s.kine = kine
	for !isListening("unix", "kine.sock") {
		if kine.hasEnded() {
			return nil, fmt.Errorf("creating storage endpoint: %s", kine.words)
		}
		if sleep(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	s.watch(ctx, kine)
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{"unix://" + s.files.server("kine.sock")},
		DialTimeout: 10 * time.Second,
		Context:     ctx,
	})
}

// runPart starts a part whose end is the end of everything.
func (s *server) runPart(ctx context.Context, name string, args []string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	part, err := s.parts.start(name, args)
	if err != nil {
		return err
	}
	s.others = append(s.others, part)
	s.watch(ctx, part)
	return nil
}

func (s *server) watch(ctx context.Context, part *part) {
	go func() {
		select {
		case <-ctx.Done():
		case <-part.done:
			s.requestShutdown(fmt.Sprintf("%s exited: %s", part.name, part.words))
		}
	}()
}

// waitForAPI returns once the API server says that it is ready. In between the supervisor begins to
// hand requests to it.
func (s *server) waitForAPI(ctx context.Context) error {
	address := strings.TrimPrefix(s.settings.apiURL(), "https://")
	said := time.Now()
	for {
		if !s.gate.apiServer.Load() && !s.shape.is("never-ready") && isListening("tcp", address) {
			s.gate.apiServer.Store(true)
		}
		err := s.client.isReady(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(said) > 2*time.Second {
			info("Polling for API server readiness: GET /readyz failed: %v", err)
			said = time.Now()
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

// startControllers starts what waits for a ready API server.
func (s *server) startControllers(ctx context.Context) error {
	if s.settings.scheduler {
		args := s.schedulerArgs()
		info("Running kube-scheduler %s", strings.Join(args, " "))
		if s.settings.needsUntaintedNode() {
			info("Waiting for untainted node")
		} else if err := s.runPart(ctx, "scheduler", args); err != nil {
			return err
		}
	}
	if s.settings.controllerManager {
		args := s.controllerManagerArgs()
		info("Running kube-controller-manager %s", strings.Join(args, " "))
		if name := unknownController(args, s.shape.minor()); name != "" {
			words := fmt.Sprintf("%q is not in the list of known controllers", name)
			klogError("run.go:72", "\"command failed\" err=%q", words)
			s.requestShutdown("controller-manager exited: " + words)
			return nil
		}
		if err := s.runPart(ctx, "controller-manager", args); err != nil {
			return err
		}
	}
	if s.settings.cloudController || !s.settings.disabled["servicelb"] {
		info("Running cloud-controller-manager")
	}
	s.keepEndpoints(ctx, s.client)
	if err := s.stageManifests(); err != nil {
		return err
	}
	go s.deployManifests(ctx)
	go s.waitForRole(ctx, s.client)
	if s.shape.is("controllers-never-ready") {
		return nil
	}
	s.gate.controllers.Store(true)
	s.misbehave(ctx)
	return nil
}

// misbehave does what its behaviour does once it is ready.
func (s *server) misbehave(ctx context.Context) {
	switch s.shape.Behaviour {
	case "slow-sql":
		s.repeat(ctx, "warning", map[string]string{"duration": "6.2s", "name": "ListCurrent"})
	case "compact-failed":
		s.repeat(ctx, "error", nil)
	case "exit-0-after-failure", "panic-after-ready", "killed-after-ready", "deaf-after-ready":
		if sleep(ctx, s.shape.delay()); ctx.Err() != nil {
			return
		}
	}
	switch s.shape.Behaviour {
	case "exit-0-after-failure":
		s.requestShutdown(s.shape.words())
	case "panic-after-ready":
		panic(s.shape.words())
	case "killed-after-ready":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "deaf-after-ready":
		s.gate.deaf.Store(true)
	}
}

// repeat says its behaviour's words every second.
func (s *server) repeat(ctx context.Context, level string, fields map[string]string) {
	say := func() { writeLine(logrusLine(time.Now(), level, s.shape.words(), fields)) }
	say()
	every(ctx, time.Second, say)
}

// stop ends the parts: those that use the datastore first, the datastore last.
func (s *server) stop() {
	for i := len(s.others) - 1; i >= 0; i-- {
		s.others[i].process.Signal(syscall.SIGTERM)
	}
	deadline := time.Now().Add(time.Second)
	for i := len(s.others) - 1; i >= 0; i-- {
		s.others[i].stop(time.Until(deadline))
	}
	if s.kine != nil {
		s.kine.stop(3 * time.Second)
	}
}

// sayReady tells whoever started it, in the way of systemd.
func sayReady(path string) {
	if path == "" {
		return
	}
	connection, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		warn("Failed to notify %s: %v", path, err)
		return
	}
	defer connection.Close()
	connection.Write([]byte("READY=1\n"))
}

func isListening(network, address string) bool {
	connection, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}
