package plugins

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The tests in this file run plugins in a network namespace of their own, where the test decides what ICMP is allowed
// and what routes there are. The test binary runs itself there: insideEnv says what is wanted.
const insideEnv = "DMONITOR_TEST_INSIDE"

// inside is what a plugin is run in, and with what.
type inside struct {
	Groups string   // net.ipv4.ping_group_range
	Raw    bool     // keep CAP_NET_RAW
	Args   []string // plugin and arguments
	Second bool     // the namespace is set up: run the plugin
}

func TestMain(m *testing.M) {
	if s := os.Getenv(insideEnv); s != "" {
		os.Exit(runInside(s))
	}
	os.Exit(m.Run())
}

func TestPingForReal(t *testing.T) {
	t.Parallel()
	const none, root = "1 0", "0 0" // group ranges: nobody, and group 0 as whom the plugin runs
	cases := []struct {
		rule string
		in   inside
		exit int
		want string
	}{
		{"without privileges, IPv4", inside{Groups: root, Args: []string{"ping", "127.0.0.1"}}, exitOK, "5 of 5 replies from 127.0.0.1 in "},
		{"without privileges, IPv6", inside{Groups: root, Args: []string{"ping", "::1"}}, exitOK, "5 of 5 replies from ::1 in "},
		{"on a raw socket, IPv4", inside{Groups: none, Raw: true, Args: []string{"ping", "127.0.0.1"}}, exitOK, "5 of 5 replies from 127.0.0.1 in "},
		{"on a raw socket, IPv6", inside{Groups: none, Raw: true, Args: []string{"ping", "::1", "-p", "3"}}, exitOK, "3 of 3 replies from ::1 in "},
		{"neither allowed: how to allow it", inside{Groups: none, Args: []string{"ping", "127.0.0.1"}}, exitUnknown, "net.ipv4.ping_group_range"},
		{"no route: the node's own fault", inside{Groups: root, Args: []string{"ping", "192.0.2.1"}}, exitUnknown, "no way from here to 192.0.2.1: network is unreachable"},
		{"no route for TCP either", inside{Args: []string{"tcp", "192.0.2.1", "-p", "22"}}, exitUnknown, "no way from here to 192.0.2.1: network is unreachable"},
		{"no route for HTTP either", inside{Args: []string{"http", "2001:db8::1"}}, exitUnknown, "no way from here to 2001:db8::1: network is unreachable"},
		{"no route for DNS either", inside{Args: []string{"dns", "192.0.2.1"}}, exitUnknown, "no way from here to 192.0.2.1: network is unreachable"},
		{"no route for NTP either", inside{Args: []string{"ntp", "2001:db8::1"}}, exitUnknown, "no way from here to 2001:db8::1: network is unreachable"},
		{"no route to a certificate either", inside{Args: []string{"cert", "192.0.2.1"}}, exitUnknown, "no way from here to 192.0.2.1: network is unreachable"},
		{"nobody answers DNS", inside{Args: []string{"dns", "198.51.100.1", "-t", "0.5"}}, exitFail, "no answer from port 53 within 500 ms"},
		{"nobody tells the time", inside{Args: []string{"ntp", "198.51.100.1", "-t", "0.5"}}, exitFail, "no answer from port 123 within 500 ms"},
		{"nobody shows a certificate", inside{Args: []string{"cert", "198.51.100.1", "-t", "0.5"}}, exitFail, "connect to 198.51.100.1 port 443: no answer within 500 ms"},
		{"nobody answers ping", inside{Groups: root, Args: []string{"ping", "198.51.100.1", "-W", "0.2"}}, exitFail, "no reply from 198.51.100.1 to 5 packets within"},
		{"nobody answers raw ping", inside{Groups: none, Raw: true, Args: []string{"ping", "198.51.100.1", "-W", "0.2"}}, exitFail, "no reply from 198.51.100.1 to 5 packets within"},
		{"nobody answers TCP", inside{Args: []string{"tcp", "198.51.100.1", "-p", "22", "-t", "0.5"}}, exitFail, "connect to 198.51.100.1 port 22: no answer within 500 ms"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			exit, out := runElsewhere(t, c.in)
			checkForm(t, exit, out)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// runElsewhere starts this test binary in a new network namespace.
func runElsewhere(t *testing.T, in inside) (exit int, out string) {
	t.Helper()
	asked, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), insideEnv+"="+string(asked))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var said strings.Builder
	cmd.Stderr = &said
	b, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatalf("this test needs a network namespace, as root or with user namespaces allowed: %v", err)
	}
	if said.Len() > 0 {
		t.Fatalf("inside the network namespace: %s", said.String())
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// runInside is this binary in the new namespace: it sets that up, runs itself once more so that the capability it
// gave up is gone, and then runs the plugin.
func runInside(s string) int {
	var in inside
	err := json.Unmarshal([]byte(s), &in)
	if err == nil && in.Second {
		return Run(context.Background(), in.Args[0], in.Args[1:], func(string) string { return "" }, os.Stdout)
	}
	if err == nil {
		err = setUp(in)
	}
	if err == nil {
		in.Second = true
		var b []byte
		if b, err = json.Marshal(in); err == nil {
			os.Setenv(insideEnv, string(b))
			err = syscall.Exec("/proc/self/exe", []string{os.Args[0]}, os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func setUp(in inside) error {
	runtime.LockOSThread() // the capability is this thread's, and the exec must be as well
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	if in.Groups != "" {
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(in.Groups), 0); err != nil {
			return err
		}
	}
	if !in.Raw {
		const prCapBSetDrop, capNetRaw = 24, 13 // linux/prctl.h, linux/capability.h
		if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prCapBSetDrop, capNetRaw, 0); e != 0 {
			return fmt.Errorf("give up CAP_NET_RAW: %w", e)
		}
	}
	return nil
}

// loopbackUp brings interface 1 up, and gives 198.51.100.0/24 a route there: a packet to it gets no answer, as nobody has
// that address. It speaks rtnetlink, as "ip link" and "ip route" do, so that these needn't be installed.
func loopbackUp() error {
	link := make([]byte, syscall.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(link[4:], 1) // ifi_index
	binary.NativeEndian.PutUint32(link[8:], syscall.IFF_UP)
	binary.NativeEndian.PutUint32(link[12:], syscall.IFF_UP) // ifi_change
	if err := netlink(syscall.RTM_NEWLINK, 0, link); err != nil {
		return err
	}
	route := []byte{syscall.AF_INET, 24, 0, 0, syscall.RT_TABLE_MAIN, syscall.RTPROT_BOOT, syscall.RT_SCOPE_LINK, syscall.RTN_UNICAST, 0, 0, 0, 0}
	route = append(route, attr(syscall.RTA_DST, []byte{198, 51, 100, 0})...)
	route = append(route, attr(syscall.RTA_OIF, binary.NativeEndian.AppendUint32(nil, 1))...)
	return netlink(syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE, route)
}

func attr(typ uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	return append(b, value...)
}

func netlink(typ uint16, flags uint16, body []byte) error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	b := binary.NativeEndian.AppendUint32(nil, uint32(syscall.SizeofNlMsghdr+len(body)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK|flags)
	b = append(b, make([]byte, 8)...) // sequence number and port: none needed
	if err := syscall.Sendto(fd, append(b, body...), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < syscall.SizeofNlMsghdr+4 {
		return fmt.Errorf("netlink answered %d bytes", n)
	}
	if e := int32(binary.NativeEndian.Uint32(answer[syscall.SizeofNlMsghdr:])); e != 0 {
		return syscall.Errno(-e)
	}
	return nil
}
