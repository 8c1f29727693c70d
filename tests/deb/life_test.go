//go:build deb

package deb

import (
	"strings"
	"testing"
)

// install puts a package into the Debian as an administrator would.
func (r *root) install(version string) string {
	r.t.Helper()
	return r.run("apt-get install -y --no-install-recommends /root/dmonitor_" + version + "_$(dpkg --print-architecture).deb 2>&1")
}

// modes lists what lies in a folder: kind and mode, owner, path, and what a file says.
const modes = "cd /etc/dmonitor && find . -printf '%M %U:%G %p\\n' -type f -exec cat {} + | sort"

// oldTool lays out the configuration of the tool that dmonitor's files are those of.
func (r *root) oldTool() {
	r.write("etc/dmonitor/nodes.txt", "# ours\nlocalhost\n", 0o644)
	r.write("etc/dmonitor/hosts.d/127.0.0.1/door", "", 0o644)
	r.write("etc/dmonitor/hosts.d/www.example.com/ssh", "", 0o600)
	r.write("etc/dmonitor/alert.d/foo@example.com", "", 0o640)
	r.write("etc/dmonitor/plugins/check_door", "#!/bin/sh\n[ \"$1\" = 127.0.0.1 ] && [ ! -e /run/closed ] && echo OK || echo FAIL\n", 0o755)
	r.run("chmod 0750 /etc/dmonitor/alert.d; chown -R 4242:4242 /etc/dmonitor/plugins; chmod 0711 /etc/dmonitor; chown 4242:4242 /etc/dmonitor")
}

// TestLife is the whole life of the package: it is installed over the configuration of an older tool, upgraded with a
// changed conffile, removed, installed again, and purged.
func TestLife(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.oldTool()
	before := r.run(modes)

	out := r.install(olderDeb)
	if n := strings.Count(out, "man dmonitor"); n != 1 {
		t.Errorf("the first installation says %d times what to do next:\n%s", n, out)
	}
	if !strings.Contains(out, "can't read all of /etc/dmonitor") {
		t.Errorf("nothing is said of the files that the user dmonitor can't read:\n%s", out)
	}
	if after := r.run(modes + " | grep -v revoked.d"); after != before {
		t.Errorf("the configuration that was there is no longer what it was:\n%s\nbefore:\n%s", after, before)
	}
	r.says("dmonitor version | cut -d' ' -f2", older)
	r.says("stat -c '%A %U:%G' /var/lib/dmonitor /etc/dmonitor/revoked.d /etc/default/dmonitor",
		"drwxr-x--- dmonitor:dmonitor\ndrwxr-xr-x root:root\n-rw-r--r-- root:root")
	r.says("getent passwd dmonitor | cut -d: -f6,7; test $(id -u dmonitor) -lt 1000 && echo system", "/var/lib/dmonitor:/usr/sbin/nologin\nsystem")
	if out, code := r.try("dmonitor validate"); code != 0 {
		t.Errorf("validate: exit code %d: %s", code, out)
	}
	r.says("dmonitor plugin door 127.0.0.1 | head -n 1", "127.0.0.1/door  OK  (ok, counts as up)")
	r.plugins()
	r.pages()
	r.completion()

	r.run("echo DMONITOR_SITE=cellar >> /etc/default/dmonitor; touch /var/lib/dmonitor/kept")
	out = r.install(newerDeb)
	if strings.Contains(out, "man dmonitor") {
		t.Errorf("an upgrade is told what a first installation is:\n%s", out)
	}
	r.says("dmonitor version | cut -d' ' -f2; tail -n 1 /etc/default/dmonitor; ls /var/lib/dmonitor", newer+"\nDMONITOR_SITE=cellar\nkept")
	if after := r.run(modes + " | grep -v revoked.d"); after != before {
		t.Errorf("after an upgrade the configuration is no longer what it was:\n%s", after)
	}

	r.run("apt-get remove -y dmonitor 2>&1")
	r.says("tail -n 1 /etc/default/dmonitor; ls /var/lib/dmonitor; ls /usr/bin/dmonitor /usr/lib/dmonitor 2>/dev/null; getent passwd dmonitor | cut -d: -f1",
		"DMONITOR_SITE=cellar\nkept\ndmonitor")
	if after := r.run(modes + " | grep -v revoked.d"); after != before {
		t.Errorf("after a removal the configuration is no longer what it was:\n%s", after)
	}
	r.install(newerDeb)
	r.says("tail -n 1 /etc/default/dmonitor", "DMONITOR_SITE=cellar")

	r.purgeWithMounts()
	r.installOverLink()
	r.run("apt-get purge -y dmonitor 2>&1")
	r.says("ls /etc/theirs/hosts.d", "127.0.0.1\nwww.example.com") // the link is gone, not what it led to
	r.says("find / -xdev -path /proc -prune -o -name '*dmonitor*' -not -path '/root/*' -not -path '/var/log/*' -not -path '/var/cache/*' -not -path '/usr/share/monitoring-plugins*' -print", "")
	r.says("getent passwd dmonitor | cut -d: -f1", "dmonitor")
}

// purgeWithMounts purges the package while something is mounted in the one folder and on the other: a folder of the same
// disk, which no comparison of devices tells from what is around it, and another disk. What is in them is somebody else's.
func (r *root) purgeWithMounts() {
	r.t.Helper()
	r.run("mkdir -p /srv/shared /etc/dmonitor/shared; touch /srv/shared/theirs")
	out := r.run(`mount --bind /srv/shared /etc/dmonitor/shared && mount -t tmpfs none /var/lib/dmonitor && touch /var/lib/dmonitor/theirs
		apt-get purge -y dmonitor 2>&1
		ls -d /var/lib/dmonitor/theirs /etc/dmonitor/shared/theirs 2>&1 | sed 's/^/left: /'`)
	for _, want := range []string{
		"left: /var/lib/dmonitor/theirs", "left: /etc/dmonitor/shared/theirs",
		"/var/lib/dmonitor is left as it is, because something is mounted there (/var/lib/dmonitor)",
		"/etc/dmonitor is left as it is, because something is mounted there (/etc/dmonitor/shared)",
	} {
		if !strings.Contains(out, want+"\n") && !strings.Contains(out, want+":") {
			r.t.Errorf("a purge with folders mounted does not say %q; it says:\n%s", want, out)
		}
	}
	r.run("rmdir /etc/dmonitor/shared; rm -r /srv/shared")
}

// installOverLink installs the package for the first time where its folder is a link to where the configuration is kept.
func (r *root) installOverLink() {
	r.t.Helper()
	r.run("mv /etc/dmonitor /etc/theirs && ln -s theirs /etc/dmonitor")
	if out := r.install(newerDeb); !strings.Contains(out, "can't read all of /etc/dmonitor") {
		r.t.Errorf("nothing is said of the files behind a link that the user dmonitor can't read:\n%s", out)
	}
}

// plugins calls each of the shipped plugins by its link.
func (r *root) plugins() {
	r.t.Helper()
	r.says("dmonitor plugin tcp 127.0.0.1 -p 1 | grep -c 'FAIL.*connection refused'", "1")
	r.says("for p in /usr/lib/dmonitor/plugins/*; do $p --help | head -n 1 | grep -q \"^UNKNOWN usage: ${p##*/} \" || echo $p; done", "")
	r.says("test $(ls /usr/lib/dmonitor/plugins | wc -l) -ge 5 && echo enough", "enough")
	bin := build(r.t, "plugins", "./cmd/dmonitor-plugins")
	for _, name := range shipped(r.t, bin) {
		r.says("readlink -f /usr/lib/dmonitor/plugins/"+name, "/usr/bin/dmonitor")
	}
}

// pages renders the manual pages; troff warns of nothing.
func (r *root) pages() {
	r.t.Helper()
	r.says(`for p in $(dpkg -L dmonitor | grep /man/.*gz); do
	  MANWIDTH=80 man --warnings -l -E UTF-8 "$p" 2>&1 >/tmp/page || echo "exit code $?"
	  grep -q "SEE ALSO" /tmp/page || echo "$p is empty"
	done; dpkg -L dmonitor | grep -c /man/.*gz`, "3")
	r.says("man -w dmonitor dmonitor-config dmonitor-plugins | wc -l", "3")
	r.says("lexgrog $(dpkg -L dmonitor | grep /man/.*gz) | grep -vc 'dmonitor.* - '", "0")
}

// completion asks a real bash, with Debian's bash-completion and without.
func (r *root) completion() {
	r.t.Helper()
	r.write("etc/dmonitor/hosts.d/2001:db8::5/http", "", 0o644)
	r.write("root/ask", `# usage: ask WITH|WITHOUT WORD...: what bash would complete the last word to
		with=$1; shift
		if [ $with = with ]; then . /usr/share/bash-completion/bash_completion; _completion_loader dmonitor
		else . /usr/share/bash-completion/completions/dmonitor; fi
		complete -p dmonitor >/dev/null || exit
		COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		# bash breaks words at colons.
		mapfile -t COMP_WORDS < <(printf '%s\n' "$@" | sed 's/:/\n:\n/g')
		[ "${*: -1}" = "" ] && COMP_WORDS[$((${#COMP_WORDS[@]}-1))]=
		COMP_CWORD=$((${#COMP_WORDS[@]}-1))
		_dmonitor 2>/dev/null; printf '%s ' "${COMPREPLY[@]}"`, 0o755)
	for _, with := range []string{"with", "without"} {
		r.says("bash /root/ask "+with+" dmonitor val", "validate")
		r.says("bash /root/ask "+with+" dmonitor outages --f", "--follow")
		r.says("bash /root/ask "+with+" dmonitor plugin doo", "door")
		r.says("bash /root/ask "+with+" dmonitor plugin ssh w", "www.example.com")
		r.says("bash /root/ask "+with+" dmonitor nodes f", "forget")
	}
	r.says("bash /root/ask with dmonitor plugin http 2001:d", "db8::5")
	r.run("rm -r '/etc/dmonitor/hosts.d/2001:db8::5' /root/ask")
}
