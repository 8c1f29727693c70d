/* The floor: what it costs to run a plugin and read its answer, with nothing around it. One thread keeps so many plugins
 * in flight: two pipes, vfork, execve, poll, read to the end, waitpid.
 *
 * usage: loop IN_FLIGHT RUNS PLUGIN
 * prints: good answers, CPU seconds (user and system, own and children's), wall seconds */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct run {
	pid_t pid; /* 0: the place is free */
	char buf[8192];
	size_t len;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double cpu_of(int who)
{
	struct rusage u;
	getrusage(who, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double wall(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void start(struct run *r, struct pollfd *set, char **argv, int null)
{
	static char *env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe2");
	pid_t pid = vfork();
	if (pid < 0)
		die("vfork");
	if (pid == 0) {
		dup2(null, 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execve(argv[0], argv, env);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	r->pid = pid;
	r->len = 0;
	set[0] = (struct pollfd){.fd = out[0], .events = POLLIN};
	set[1] = (struct pollfd){.fd = err[0], .events = POLLIN};
}

static void take(struct run *r, struct pollfd *p, int keep)
{
	char toss[8192];
	if (p->fd < 0 || !p->revents)
		return;
	ssize_t n = keep ? read(p->fd, r->buf + r->len, sizeof r->buf - r->len) : read(p->fd, toss, sizeof toss);
	if (n > 0) {
		if (keep)
			r->len += n;
		return;
	}
	close(p->fd);
	p->fd = -1;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	int width = atoi(argv[1]);
	long runs = atol(argv[2]), started = 0, done = 0, good = 0;
	char *plugin[] = {argv[3], "127.0.0.1", NULL};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct run *r = calloc(width, sizeof *r);
	struct pollfd *set = calloc(2 * width, sizeof *set);
	if (null < 0 || !r || !set)
		die("set up");
	for (int i = 0; i < 2 * width; i++)
		set[i].fd = -1;
	double cpu = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN), t = wall();
	while (done < runs) {
		for (int i = 0; i < width; i++)
			if (!r[i].pid && started < runs) {
				start(&r[i], &set[2 * i], plugin, null);
				started++;
			}
		if (poll(set, 2 * width, -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < width; i++) {
			take(&r[i], &set[2 * i], 1);
			take(&r[i], &set[2 * i + 1], 0);
			if (!r[i].pid || set[2 * i].fd >= 0 || set[2 * i + 1].fd >= 0)
				continue;
			int status;
			while (waitpid(r[i].pid, &status, 0) < 0 && errno == EINTR)
				;
			good += status == 0 && r[i].len >= 3 && !memcmp(r[i].buf, "OK\n", 3);
			r[i].pid = 0;
			done++;
		}
	}
	printf("%ld %.6f %.6f\n", good, cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN) - cpu, wall() - t);
	return 0;
}
