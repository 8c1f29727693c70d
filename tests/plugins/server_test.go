//go:build plugins

package plugins

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// cache is where the unpacked servers are kept between runs, each set of packages in a folder.
const cache = "../../.cache/plugins"

// nobody is the user and group that servers run as.
const nobody = 65534

// daemon is one server for one test.
type daemon struct {
	t    *testing.T
	tree string // where its packages are unpacked
	dir  string // its own folder; it and what is written into it belong to the user the server runs as
	root bool   // the server runs as root

	users []string
	said  lockedBuffer
	stdin *os.File // as long as it is open the server runs
	ended chan struct{}
}

// server unpacks Debian's packages, with what they need, and makes a place to run one of their programs in.
func server(t *testing.T, packages ...string) *daemon {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests mount file systems (in namespaces of their own): run them as root")
	}
	dir, err := os.MkdirTemp("", "dmonitor-plugins-") //nolint:usetesting // Other users can't look into t.TempDir.
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, tree: unpack(t, packages), dir: dir}
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("what the server said:\n%s", d.said.String())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("something of the server is left: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d.own(dir)
	return d
}

var unpacking sync.Mutex

func unpack(t *testing.T, packages []string) string {
	t.Helper()
	unpacking.Lock()
	defer unpacking.Unlock()
	packages = slices.Sorted(slices.Values(packages))
	tree, err := filepath.Abs(filepath.Join(cache, strings.Join(packages, "+")))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("../../.ci/unpack", append([]string{tree}, packages...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s(%v)", out, err)
	}
	if out, err := exec.Command("sh", "-c", merge, "sh", tree).CombinedOutput(); err != nil {
		t.Fatalf("merge the folders of %v: %s(%v)", packages, out, err)
	}
	return tree
}

// merge moves what packages still have in /bin, /sbin and /lib to /usr, where a Debian system's links lead.
const merge = `
cd "$1"
for part in bin sbin lib lib64; do
  [ -d "$part" ] || continue
  mkdir -p "usr/$part" && cp -a "$part/." "usr/$part" && rm -r "$part" || exit 1
done
`

// path is the path of a file in the server's folder.
func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

// write writes a file of the server's folder, and the folders above it.
func (d *daemon) write(name, text string) {
	d.t.Helper()
	rig.Write(d.t, d.path(name), text)
	for p := d.path(name); p != d.dir; p = filepath.Dir(p) {
		d.own(p)
	}
}

// mkdir makes a folder in the server's.
func (d *daemon) mkdir(name string) string {
	d.t.Helper()
	if err := os.MkdirAll(d.path(name), 0o755); err != nil {
		d.t.Fatal(err)
	}
	d.own(d.path(name))
	return d.path(name)
}

// own gives a file to the user that the server runs as.
func (d *daemon) own(path string) {
	d.t.Helper()
	if d.root {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		d.t.Fatal(err)
	}
}

// user makes another name, of a user and a group, for the one the server runs as.
func (d *daemon) user(names ...string) { d.users = append(d.users, names...) }

// ports gives every server another port, below those that the system gives to whoever connects.
var ports atomic.Int32

// port finds a port that is free for TCP and UDP on 127.0.0.1 and ::1.
func (d *daemon) port() string {
	d.t.Helper()
	for range 1000 {
		port := strconv.Itoa(10000 + (os.Getpid()*64+int(ports.Add(1)))%10000)
		free := true
		for _, host := range []string{"127.0.0.1", "::1"} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, port))
			if err == nil {
				l.Close()
			}
			p, perr := net.ListenPacket("udp", net.JoinHostPort(host, port))
			if perr == nil {
				p.Close()
			}
			free = free && err == nil && perr == nil
		}
		if free {
			return port
		}
	}
	d.t.Fatal("no free port on 127.0.0.1 and ::1")
	return ""
}

// inside is what process 1 of the server's namespaces does: the unpacked files are laid over the system's, and the
// server runs until it ends or nobody holds this shell's standard input any more. With process 1 all others end.
const inside = `
set -e
mount --make-rprivate /
tree=$1 over=$2 own=$3; shift 3
mount -t tmpfs tmpfs "$over"
mkdir "$over"/{usr,etc,var,usr.work,etc.work,var.work}
cp "$own"/{passwd,group} "$over/etc"
for part in usr etc var; do
  lower=/$part
  [[ -d $tree/$part ]] && lower=$tree/$part:$lower
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$over/$part,workdir=$over/$part.work" "/$part"
done
mount -t tmpfs -o mode=1777 tmpfs /run
mount -t proc proc /proc
exec 3<&0
cat <&3 >/dev/null &
"$@" </dev/null &
wait -n || echo "it ended with exit code $?"
`

// start runs a command, in the foreground and in the server's folder, until the test ends. Programs of the packages
// are in its PATH.
func (d *daemon) start(command ...string) {
	d.t.Helper()
	d.identify()
	over, err := os.MkdirTemp("", "dmonitor-over-")
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { os.Remove(over) })
	args := []string{"--mount", "--pid", "--ipc", "--fork", "--kill-child", "bash", "-c", inside, "bash", d.tree, over, d.path(".users")}
	if !d.root {
		args = append(args, "setpriv", "--reuid", strconv.Itoa(nobody), "--regid", strconv.Itoa(nobody), "--clear-groups")
	}
	cmd := exec.Command("unshare", append(args, command...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + d.dir}
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, &d.said, &d.said
	theirs, ours, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd.Stdin = theirs
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	theirs.Close()
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // how it ended stands in what it said
	d.stdin, d.ended = ours, ended
}

// identify writes the passwd and group files the server sees.
func (d *daemon) identify() {
	d.t.Helper()
	d.mkdir(".users")
	id := nobody
	if d.root {
		id = 0
	}
	for _, name := range []string{"passwd", "group"} {
		known, err := os.ReadFile("/etc/" + name)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, u := range d.users {
			line := fmt.Sprintf("%s:x:%d:\n", u, id)
			if name == "passwd" {
				line = fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", u, id, id, d.dir)
			}
			known = append([]byte(line), known...)
		}
		d.write(".users/"+name, string(known))
	}
}

// stop ends the server and everything it has started.
func (d *daemon) stop() {
	if d.ended == nil {
		return
	}
	d.stdin.Close()
	<-d.ended
	d.ended = nil
}

// until waits for what the server is to do. It fails the test at once if the server ends.
func (d *daemon) until(what string, cond func() bool) {
	d.t.Helper()
	rig.Until(d.t, what, func() bool {
		select {
		case <-d.ended:
			d.t.Fatalf("the server ended before: %s", what)
		default:
		}
		return cond()
	})
}

// listens waits until 127.0.0.1 takes a TCP connection on the port.
func (d *daemon) listens(port string) {
	d.t.Helper()
	d.until("port "+port+" takes connections", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// lockedBuffer keeps what a server says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
