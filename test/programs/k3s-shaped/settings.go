package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// settings is what the flags come to.
type settings struct {
	dataDir     string
	etc         string
	homeDir     string
	rootless    bool
	isRoot      bool
	nodeName    string
	nodeIPs     []netip.Addr
	bindAddress netip.Addr // the zero value: every address

	httpsPort      int
	supervisorPort int
	apiPort        int
	apiAddress     netip.Addr
	advertise      netip.Addr
	advertisePort  int
	sans           []string

	clusterCIDRs  []netip.Prefix
	serviceCIDRs  []netip.Prefix
	clusterDNS    []string
	clusterDomain string
	nodePorts     string

	token      string
	agentToken string
	joinURL    string

	disabled          map[string]bool
	cloudController   bool
	scheduler         bool
	controllerManager bool
	egress            string
	flannel           string
	secretsEncryption bool

	kubeconfig     string
	kubeconfigMode os.FileMode

	apiserverArgs  []string
	controllerArgs []string
	schedulerArgs  []string
}

// host is what settings depend on besides the flags.
type host struct {
	uid      int
	hostname string
	homeDir  string
	etc      string
	// defaultAddress is the address of the interface of the default route, when there is one.
	defaultAddress func() (netip.Addr, error)
	readFile       func(string) ([]byte, error)
}

// packagedItems are what --disable may name.
var packagedItems = []string{
	"ccm", "coredns", "local-storage", "metrics-server", "rolebindings", "runtimes", "servicelb", "traefik",
}

var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

// settingsFor turns flags into settings, or says what K3s would say before it ends.
func settingsFor(flags flagValues, shape shape, at host) (settings, error) {
	if err := refuse(flags); err != nil {
		return settings{}, err
	}
	set := settings{
		dataDir:           dataDirFor(flags, at),
		etc:               at.etc,
		homeDir:           at.homeDir,
		rootless:          flags.truth("rootless"),
		isRoot:            at.uid == 0,
		clusterDomain:     flags.text("cluster-domain"),
		nodePorts:         flags.text("service-node-port-range"),
		joinURL:           flags.text("server"),
		cloudController:   !flags.truth("disable-cloud-controller"),
		scheduler:         !flags.truth("disable-scheduler"),
		controllerManager: !flags.truth("disable-controller-manager"),
		egress:            flags.text("egress-selector-mode"),
		flannel:           flags.text("flannel-backend"),
		secretsEncryption: flags.truth("secrets-encryption"),
		kubeconfig:        flags.text("write-kubeconfig"),
		apiserverArgs:     flags["kube-apiserver-arg"],
		controllerArgs:    flags["kube-controller-manager-arg"],
		schedulerArgs:     flags["kube-scheduler-arg"],
	}
	for _, step := range []func(*settings, flagValues, host) error{
		nameNode, chooseAddresses, choosePorts, chooseRanges, readTokens, chooseItems, chooseMode,
	} {
		if err := step(&set, flags, at); err != nil {
			return settings{}, err
		}
	}
	set.sans = sansFor(set, flags, shape)
	return set, nil
}

// refuse names what this stand-in does not stand in for.
func refuse(flags flagValues) error {
	if !flags.truth("disable-agent") {
		return errors.New("k3s-shaped: without --disable-agent K3s would run a kubelet here")
	}
	for _, name := range []string{
		"log", "cluster-init", "cluster-reset", "datastore-endpoint", "kine-tls", "disable-apiserver",
		"disable-etcd", "embedded-registry", "vpn-auth", "vpn-auth-file", "etcd-s3", "with-node-id",
	} {
		if value := flags.text(name); value != "" && value != "false" {
			return fmt.Errorf("k3s-shaped: it does not stand in for --%s", name)
		}
	}
	return nil
}

// dataDirFor is the folder that holds `server`, `agent` and `data`.
func dataDirFor(flags flagValues, at host) string {
	if dir := flags.text("data-dir"); dir != "" {
		absolute, err := filepath.Abs(dir)
		if err == nil {
			return absolute
		}
	}
	if at.uid == 0 && !flags.truth("rootless") {
		return "/var/lib/rancher/k3s"
	}
	return filepath.Join(at.homeDir, ".rancher/k3s")
}

func nameNode(set *settings, flags flagValues, at host) error {
	set.nodeName = strings.ToLower(flags.text("node-name"))
	if set.nodeName == "" {
		set.nodeName = strings.ToLower(at.hostname)
	}
	if !dnsName.MatchString(set.nodeName) {
		return fmt.Errorf("invalid node name %q", set.nodeName)
	}
	return nil
}

func chooseAddresses(set *settings, flags flagValues, at host) error {
	for _, word := range flags.list("node-ip") {
		address, err := netip.ParseAddr(word)
		if err != nil {
			return fmt.Errorf("invalid node-ip: %w", err)
		}
		set.nodeIPs = append(set.nodeIPs, address)
	}
	if len(set.nodeIPs) == 0 {
		address, err := at.defaultAddress()
		if err != nil {
			return err
		}
		set.nodeIPs = []netip.Addr{address}
	}
	set.advertise = set.nodeIPs[0]
	for _, word := range append(flags.list("node-external-ip"), flags.text("advertise-address")) {
		if word == "" {
			continue
		}
		address, err := netip.ParseAddr(word)
		if err != nil {
			return fmt.Errorf("invalid advertise-address: %w", err)
		}
		set.advertise = address
	}
	if word := flags.text("bind-address"); word != "" {
		address, err := netip.ParseAddr(word)
		if err != nil {
			return fmt.Errorf("invalid bind-address: %w", err)
		}
		if !address.IsUnspecified() {
			set.bindAddress = address
		}
	}
	return nil
}

func choosePorts(set *settings, flags flagValues, _ host) error {
	set.httpsPort = flags.number("https-listen-port")
	set.supervisorPort, set.apiPort, set.advertisePort = set.httpsPort, set.httpsPort+1, set.httpsPort
	for name, port := range map[string]*int{
		"supervisor-port": &set.supervisorPort,
		"apiserver-port":  &set.apiPort,
		"advertise-port":  &set.advertisePort,
	} {
		if given := flags.number(name); given != 0 {
			*port = given
		}
	}
	for _, port := range []int{set.httpsPort, set.supervisorPort, set.apiPort, set.advertisePort} {
		if port < 1 || port > 65_535 {
			return fmt.Errorf("k3s-shaped: %d is no port", port)
		}
	}
	low, high, _ := strings.Cut(set.nodePorts, "-")
	from, fromErr := strconv.Atoi(low)
	to, toErr := strconv.Atoi(high)
	if fromErr != nil || toErr != nil || from > to || to > 65_535 {
		return fmt.Errorf("invalid port range %s", set.nodePorts)
	}
	return nil
}

func chooseRanges(set *settings, flags flagValues, _ host) error {
	clusterDefault, serviceDefault := "10.42.0.0/16", "10.43.0.0/16"
	if set.nodeIPs[0].Is6() {
		clusterDefault, serviceDefault = "fd00:42::/56", "fd00:43::/112"
	}
	var err error
	if set.clusterCIDRs, err = rangesOf(flags, "cluster-cidr", clusterDefault); err != nil {
		return err
	}
	if set.serviceCIDRs, err = rangesOf(flags, "service-cidr", serviceDefault); err != nil {
		return err
	}
	if set.clusterCIDRs[0].Addr().Is6() != set.serviceCIDRs[0].Addr().Is6() {
		return fmt.Errorf("k3s-shaped: cluster-cidr %s and service-cidr %s are of two families",
			set.clusterCIDRs[0], set.serviceCIDRs[0])
	}
	for _, word := range flags.list("cluster-dns") {
		if _, err := netip.ParseAddr(word); err != nil {
			return fmt.Errorf("invalid cluster-dns address %s", word)
		}
		set.clusterDNS = append(set.clusterDNS, word)
	}
	if len(set.clusterDNS) == 0 {
		set.clusterDNS = []string{nthAddress(set.serviceCIDRs[0], 10).String()}
	}
	set.apiAddress = set.loopback()
	if word := flags.text("apiserver-bind-address"); word != "" {
		if set.apiAddress, err = netip.ParseAddr(word); err != nil {
			return fmt.Errorf("invalid apiserver-bind-address: %w", err)
		}
	}
	return nil
}

func rangesOf(flags flagValues, name, standard string) ([]netip.Prefix, error) {
	words := flags.list(name)
	if len(words) == 0 {
		words = []string{standard}
	}
	var ranges []netip.Prefix
	for _, word := range words {
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, fmt.Errorf("invalid %s %s: invalid CIDR address: %s", name, word, word)
		}
		ranges = append(ranges, prefix.Masked())
	}
	return ranges, nil
}

func readTokens(set *settings, flags flagValues, at host) error {
	set.token, set.agentToken = flags.text("token"), flags.text("agent-token")
	for name, token := range map[string]*string{
		"token-file":       &set.token,
		"agent-token-file": &set.agentToken,
	} {
		path := flags.text(name)
		if path == "" {
			continue
		}
		content, err := at.readFile(path)
		if err != nil {
			return err
		}
		*token = strings.TrimSpace(string(content))
	}
	return nil
}

func chooseItems(set *settings, flags flagValues, _ host) error {
	set.disabled = map[string]bool{}
	for _, item := range flags.list("disable") {
		known := false
		for _, name := range packagedItems {
			known = known || name == item
		}
		if !known {
			return fmt.Errorf("k3s-shaped: --disable=%s disables nothing", item)
		}
		set.disabled[item] = true
	}
	if !set.cloudController && set.disabled["servicelb"] {
		set.disabled["ccm"] = true
	}
	switch set.egress {
	case "agent", "cluster", "pod":
		warn("k3s-shaped: with egress-selector-mode=%s nothing reaches a virtual node", set.egress)
	case "disabled":
		warn("Webhooks and apiserver aggregation may not function properly without an agent; " +
			"please set egress-selector-mode to 'cluster' or 'pod'")
	default:
		return fmt.Errorf("invalid egress-selector-mode %s", set.egress)
	}
	switch set.flannel {
	case "none", "vxlan", "host-gw", "wireguard-native":
		return nil
	default:
		return fmt.Errorf("invalid flannel-backend %s", set.flannel)
	}
}

func chooseMode(set *settings, flags flagValues, _ host) error {
	set.kubeconfigMode = 0o600
	mode := flags.text("write-kubeconfig-mode")
	if mode == "" {
		return nil
	}
	bits, err := strconv.ParseUint(mode, 8, 9)
	if err != nil {
		return fmt.Errorf("k3s-shaped: %q is no mode of a file", mode)
	}
	set.kubeconfigMode = os.FileMode(bits)
	return nil
}

// sansFor are the names that its certificates carry besides those of the kubernetes Service.
// Before 1.37 the advertised address is among them only where it is also another one's.
func sansFor(set settings, flags flagValues, shape shape) []string {
	names := append(flags.list("tls-san"), "127.0.0.1", "::1", "localhost", set.nodeName)
	for _, address := range set.nodeIPs {
		names = append(names, address.String())
	}
	if shape.minor() >= 37 {
		names = append(names, set.advertise.String())
	}
	return append(names, nthAddress(set.serviceCIDRs[0], 1).String())
}

// loopback is where everything internal listens; its family is that of the service range.
func (s settings) loopback() netip.Addr {
	if s.serviceCIDRs[0].Addr().Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func (s settings) apiURL() string {
	return "https://" + netip.AddrPortFrom(s.apiAddress, uint16(s.apiPort)).String()
}

// needsUntaintedNode tells whether the scheduler would wait for a node that a cloud controller has seen.
func (s settings) needsUntaintedNode() bool { return s.cloudController }

func nthAddress(prefix netip.Prefix, n int) netip.Addr {
	address := prefix.Addr()
	for range n {
		address = address.Next()
	}
	return address
}
