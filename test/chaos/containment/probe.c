// Tries one way out of a sandbox, and says what came of it on one line: `done`, or `refused ERRNO`.
// Built by the tests; run inside. What it tries is named by its first argument.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static long open_as(const char *path, int flags) { return open(path, flags | O_CLOEXEC); }

static long clone_with(unsigned long flags) {
  long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return child;
}

static long clone3_with(uint64_t flags) {
  uint64_t args[11] = {0};
  args[0] = flags;
  args[4] = SIGCHLD;
  long child = syscall(SYS_clone3, args, sizeof args);
  if (child == 0) _exit(0);
  return child;
}

static long read_memory(pid_t pid) {
  char byte;
  struct iovec local = {&byte, 1}, remote = {(void *)0x400000, 1};
  return syscall(SYS_process_vm_readv, pid, &local, 1UL, &remote, 1UL, 0UL);
}

static long handle_of(const char *path) {
  struct { unsigned bytes; int type; unsigned char data[128]; } handle = {128, 0, {0}};
  int mount;
  return syscall(SYS_name_to_handle_at, AT_FDCWD, path, &handle, &mount, 0);
}

static long connect_abstract(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return connect(fd, (void *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static long connect_path(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address);
}

static long connect_tcp(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  return connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof address);
}

static long try(const char *what, const char *argument) {
  int number = atoi(argument);
  if (!strcmp(what, "read")) return open_as(argument, O_RDONLY);
  if (!strcmp(what, "write")) return open_as(argument, O_WRONLY);
  if (!strcmp(what, "create")) return open_as(argument, O_WRONLY | O_CREAT);
  if (!strcmp(what, "unshare")) return unshare(strtoul(argument, 0, 16));
  if (!strcmp(what, "clone")) return clone_with(strtoul(argument, 0, 16));
  if (!strcmp(what, "clone3")) return clone3_with(strtoul(argument, 0, 16));
  if (!strcmp(what, "setns")) return setns(open_as(argument, O_RDONLY), 0);
  if (!strcmp(what, "mount")) return mount("none", argument, "tmpfs", 0, "");
  if (!strcmp(what, "bind")) return mount("/task", argument, 0, MS_BIND, "");
  if (!strcmp(what, "remount")) return mount(0, argument, 0, MS_REMOUNT | MS_BIND, "");
  if (!strcmp(what, "umount")) return umount2(argument, MNT_DETACH);
  if (!strcmp(what, "pivot_root")) return syscall(SYS_pivot_root, argument, argument);
  if (!strcmp(what, "chroot")) return chroot(argument);
  if (!strcmp(what, "open_tree")) return syscall(428, AT_FDCWD, argument, 1);
  if (!strcmp(what, "fsopen")) return syscall(430, "tmpfs", 0);
  if (!strcmp(what, "mknod")) return mknod(argument, S_IFBLK | 0600, makedev(254, 0));
  if (!strcmp(what, "ptrace")) return ptrace(PTRACE_SEIZE, number, 0, 0);
  if (!strcmp(what, "traceme")) return ptrace(PTRACE_TRACEME, 0, 0, 0);
  if (!strcmp(what, "process_vm_readv")) return read_memory(number);
  if (!strcmp(what, "pidfd_getfd")) return syscall(438, syscall(434, number, 0), 0, 0);
  if (!strcmp(what, "kill")) return kill(number, SIGKILL);
  if (!strcmp(what, "bpf")) return syscall(SYS_bpf, 0, 0, 0);
  if (!strcmp(what, "perf_event_open")) return syscall(SYS_perf_event_open, 0, 0, -1, -1, 0);
  if (!strcmp(what, "userfaultfd")) return syscall(SYS_userfaultfd, 1);
  if (!strcmp(what, "io_uring")) return syscall(425, 1, calloc(1, 256));
  if (!strcmp(what, "keyctl")) return syscall(SYS_keyctl, 0, -3, 1);
  if (!strcmp(what, "add_key")) return syscall(SYS_add_key, "user", "k", "v", 1, -3);
  if (!strcmp(what, "kexec")) return syscall(SYS_kexec_load, 0, 0, 0, 0);
  if (!strcmp(what, "module")) return syscall(SYS_init_module, 0, 0, "");
  if (!strcmp(what, "handle")) return handle_of(argument);
  if (!strcmp(what, "tiocsti")) return ioctl(0, TIOCSTI, "x");
  if (!strcmp(what, "socket")) return socket(number, SOCK_RAW, 0);
  if (!strcmp(what, "netfilter")) return socket(AF_NETLINK, SOCK_RAW, 12);
  if (!strcmp(what, "abstract")) return connect_abstract(argument);
  if (!strcmp(what, "connect")) return connect_path(argument);
  if (!strcmp(what, "tcp")) return connect_tcp("127.0.0.1", number);
  if (!strcmp(what, "setuid")) return setuid(0);
  errno = EINVAL;
  return -1;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  errno = 0;
  if (try(argv[1], argc > 2 ? argv[2] : "") >= 0) puts("done");
  else printf("refused %s\n", strerrorname_np(errno));
  return 0;
}
