//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// standInLabel marks an image made here; its value says from what.
const standInLabel = "org.dmonitor.stand-in"

// standIns are the images that can be replaced, by name: what the label says, and how they are made.
var standIns = map[string]struct {
	from string
	make func(ctx context.Context, image, from string) error
}{
	"debian:bookworm-slim": {"debootstrap bookworm", makeDebian},
	"golang:1.26-bookworm": {"debian:bookworm-slim and " + runtime.Version() + " without its own tests and commands' source", makeGo},
}

// needImages sees to it that every image the Dockerfile starts from is there: pulled, or stood in for.
func needImages(t *testing.T) {
	t.Helper()
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	images := baseImages(string(dockerfile))
	if len(images) == 0 {
		t.Fatal("the Dockerfile starts from no image at all")
	}
	slices.Sort(images) // Debian comes before the one that is made from it
	for _, image := range images {
		needImage(t, image)
	}
}

// baseImages lists what a Dockerfile starts from and doesn't make itself.
func baseImages(dockerfile string) []string {
	var images []string
	own := []string{"scratch"}
	for _, m := range regexp.MustCompile(`(?m)^FROM\s+(\S+)(?:\s+AS\s+(\S+))?`).FindAllStringSubmatch(dockerfile, -1) {
		if !slices.Contains(own, m[1]) && !slices.Contains(images, m[1]) {
			images = append(images, m[1])
		}
		own = append(own, m[2])
	}
	return images
}

func needImage(t *testing.T, image string) {
	t.Helper()
	label, err := command(t.Context(), nil, "docker", "image", "inspect", "-f", `{{index .Config.Labels "`+standInLabel+`"}}`, image)
	label = strings.TrimSpace(label)
	standIn, can := standIns[image]
	switch {
	case err == nil && (label == "" || label == "<no value>"):
		t.Logf("%s: is here", image)
		return
	case err == nil && label == standIn.from:
		t.Logf("%s: a STAND-IN is here (%s); to have the real one pulled: docker rmi %s", image, label, image)
		return
	case err != nil:
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if _, err = command(ctx, nil, "docker", "pull", "-q", image); err == nil {
			t.Logf("%s: pulled", image)
			return
		}
		t.Logf("%s: can't be pulled: %v", image, err)
	default: // a stand-in, made from something else than there is now
		t.Logf("%s: the STAND-IN is out of date (%s)", image, label)
	}
	if !can {
		t.Fatalf("%s can't be pulled, and there is no way to make a stand-in for it", image)
	}
	start := time.Now()
	if err := standIn.make(t.Context(), image, standIn.from); err != nil {
		t.Fatalf("make a stand-in for %s: %v", image, err)
	}
	t.Logf("%s: made a STAND-IN from %s in %s; it stays here until: docker rmi %s",
		image, standIn.from, time.Since(start).Round(time.Second), image)
}

// makeDebian installs a minimal Debian into a folder and imports it, without what the slim image leaves out too.
func makeDebian(ctx context.Context, image, from string) error {
	if _, err := exec.LookPath("debootstrap"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("this needs root and debootstrap (apt-get install debootstrap): %w", err)
	}
	dir, err := os.MkdirTemp("", "dmonitor-debian-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := command(ctx, nil, "debootstrap", "--variant=minbase", "bookworm", dir); err != nil {
		return err
	}
	tar := exec.CommandContext(ctx, "tar", "-c", "-C", dir, "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*",
		"--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*", "--exclude=./usr/share/locale/*", "--exclude=./var/log/*", ".")
	return piped(tar, func(stdout *os.File) error {
		_, err := command(ctx, stdout, "docker", "import", "-c", "CMD [\"bash\"]", "-c", label(from), "-", image)
		return err
	})
}

// makeGo puts the Go toolchain of this machine onto Debian, and what it takes to reach the module proxy from here.
func makeGo(ctx context.Context, image, from string) error {
	env, err := goEnv(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dmonitor-go-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	goroot := strings.TrimPrefix(env["GOROOT"], "/")
	delete(env, "GOROOT")
	authorities, err := os.ReadFile(authoritiesFile())
	if err != nil {
		return fmt.Errorf("read the certificate authorities: %w", err)
	}
	var dockerfile strings.Builder
	fmt.Fprintf(&dockerfile, "FROM debian:bookworm-slim\nCOPY ca-certificates.crt /etc/ssl/certs/\nCOPY %s /usr/local/go\n", goroot)
	fmt.Fprintf(&dockerfile, "ENV GOPATH=/go GOTOOLCHAIN=local PATH=/go/bin:/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	for name, value := range env {
		if value != "" {
			fmt.Fprintf(&dockerfile, " %s=%q", name, value)
		}
	}
	fmt.Fprintf(&dockerfile, "\nWORKDIR /go\n%s\n", label(from))
	for name, text := range map[string]string{"Dockerfile": dockerfile.String(), "ca-certificates.crt": string(authorities)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// Every file costs time in every later step of a build, where the storage driver compares whole trees.
	tar := exec.CommandContext(ctx, "tar", "-c", "--dereference", "--exclude=testdata", "--exclude=*_test.go",
		"--exclude="+goroot+"/test", "--exclude="+goroot+"/api", "--exclude="+goroot+"/doc", "--exclude="+goroot+"/misc",
		"--exclude="+goroot+"/src/cmd/*", "-C", dir, "Dockerfile", "ca-certificates.crt", "-C", "/", goroot)
	return piped(tar, func(stdout *os.File) error {
		_, err := command(ctx, stdout, "docker", "build", "-q", "-t", image, "-")
		return err
	})
}

func label(from string) string { return fmt.Sprintf("LABEL %s=%q", standInLabel, from) }

// goEnv is where this machine's Go is and how it reaches modules.
func goEnv(ctx context.Context) (map[string]string, error) {
	names := []string{"GOROOT", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE"}
	out, err := command(ctx, nil, "go", append([]string{"env", "-json"}, names...)...)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	if err := json.Unmarshal([]byte(out), &env); err != nil {
		return nil, fmt.Errorf("read the output of go env: %w", err)
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		env[name] = os.Getenv(name)
	}
	return env, nil
}

// authoritiesFile is the file of certificate authorities that this machine trusts.
func authoritiesFile() string {
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		return file
	}
	return "/etc/ssl/certs/ca-certificates.crt"
}

// piped starts a program and hands its standard output to use.
func piped(cmd *exec.Cmd, use func(stdout *os.File) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Start(); err != nil {
		w.Close()
		return err
	}
	w.Close()
	useErr := use(r)
	r.Close() // so that a program nobody listens to any more ends
	if err := cmd.Wait(); err != nil && useErr == nil {
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, tail(stderr.String(), 1000))
	}
	return useErr
}
