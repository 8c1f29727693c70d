//go:build mta

package mta

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// unpacked is where Exim is kept between runs.
const unpacked = "../../.cache/mta"

// nobody is the user and group that Exim runs as if the tests run as root: it refuses to be root.
const nobody = 65534

func TestMain(m *testing.M) {
	if out, err := exec.Command("../../.ci/unpack", unpacked, "exim4-daemon-light", "libnss-wrapper").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s(%v)\n", out, err)
		os.Exit(1)
	}
	rig.Main(m)
}

// exim is a mail server with folders, a port and a certificate of its own.
type exim struct {
	t     *testing.T
	dir   string
	port  int
	cmd   *exec.Cmd
	stdin io.Closer // as long as it is open the server runs
}

// ports gives every server another port, below those that the system gives to whoever connects.
var ports atomic.Int32

// newExim starts a mail server that has these ways to log in. It is gone, with all it kept, when the test ends.
func newExim(t *testing.T, logins string) *exim {
	t.Helper()
	dir, err := os.MkdirTemp("", "dmonitor-mta-") //nolint:usetesting // Other users can't look into t.TempDir.
	if err != nil {
		t.Fatal(err)
	}
	e := &exim{t: t, dir: dir, port: freePort(t)}
	t.Cleanup(func() {
		e.stop()
		if t.Failed() {
			t.Logf("Exim's log:\n%s\nExim's words at start:\n%s", e.log(), e.read("startlog"))
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("something of the mail server is left: %v", err)
		}
	})
	for _, part := range []string{"usr/sbin", "usr/lib"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(unpacked, part))); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile("testdata/exim.conf")
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := runsAs()
	macros := fmt.Sprintf("BASE = %s\nEXIM = %s\nPORT = %d\nLOGINS = %s\n", dir, e.program(), e.port, logins)
	rig.Write(t, filepath.Join(dir, "exim.conf"), macros+string(config))
	rig.Write(t, filepath.Join(dir, "passwd"), fmt.Sprintf("root:x:0:0::/:/bin/sh\nDebian-exim:x:%d:%d::/:/bin/sh\n", uid, gid))
	rig.Write(t, filepath.Join(dir, "group"), fmt.Sprintf("root:x:0:\nDebian-exim:x:%d:\n", gid))
	rig.Write(t, filepath.Join(dir, "password"), password)
	writeIdentity(t, dir)
	for _, d := range []string{dir, filepath.Join(dir, "exim.conf"), filepath.Join(dir, "key.pem")} {
		if err := os.Chown(d, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	e.start()
	return e
}

// runsAs is the user and group that Exim runs as.
func runsAs() (uid, gid int) {
	if os.Getuid() == 0 {
		return nobody, nobody
	}
	return os.Getuid(), os.Getgid()
}

func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 20000 + (os.Getpid()*64+int(ports.Add(1)))%10000
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port on 127.0.0.1")
	return 0
}

func (e *exim) program() string { return filepath.Join(e.dir, "usr/sbin/exim4") }

// start runs the server until stop, or until this process ends, however that comes about.
func (e *exim) start() {
	e.t.Helper()
	libs, err := filepath.Glob(filepath.Join(e.dir, "usr/lib/*-linux-*"))
	if err != nil || len(libs) == 0 {
		e.t.Fatalf("no libraries came with Exim (%v)", err)
	}
	before := strings.Count(e.log(), "listening for SMTP")
	const shell = `"$@" & cat; kill $!; wait $!`
	e.cmd = exec.Command("sh", "-c", shell, "sh", "env",
		"LD_PRELOAD=libnss_wrapper.so", "LD_LIBRARY_PATH="+strings.Join(libs, ":"),
		"NSS_WRAPPER_PASSWD="+filepath.Join(e.dir, "passwd"), "NSS_WRAPPER_GROUP="+filepath.Join(e.dir, "group"),
		e.program(), "-C", filepath.Join(e.dir, "exim.conf"), "-bdf")
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		e.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	said, err := os.OpenFile(filepath.Join(e.dir, "startlog"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		e.t.Fatal(err)
	}
	defer said.Close()
	e.cmd.Dir, e.cmd.Stdout, e.cmd.Stderr = e.dir, said, said
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		e.t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	rig.Until(e.t, "Exim listens", func() bool { return strings.Count(e.log(), "listening for SMTP") > before })
}

// stop ends the server and what it has started.
func (e *exim) stop() {
	if e.cmd == nil {
		return
	}
	e.stdin.Close()
	_ = e.cmd.Wait() // It was killed, and says so.
	_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
	e.cmd = nil
}

// log is what the server has logged so far.
func (e *exim) log() string { return e.read("mainlog") }

func (e *exim) read(name string) string {
	data, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil {
		return ""
	}
	return string(data)
}

// url is DMONITOR_SMTP_URL for this server. The address leads to this host, but dmonitor doesn't take it for one of those
// that do: the certificate counts, as it does between two machines.
func (e *exim) url(user, options string) string {
	return fmt.Sprintf("smtp://%s%s:%d%s", user, address, e.port, options)
}

const address = "0.0.0.0"

// ca is the file with the authority that has signed the server's certificate.
func (e *exim) ca() string { return filepath.Join(e.dir, "ca.pem") }
