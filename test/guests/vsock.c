// test/guests/vsock.c — the guest's end of a vsock test: `echo PORT` answers one connection with what it sends and a mark,
// `send PORT` sends standard input to the host's port and prints what comes back. Built static for arm64 by test/boot.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h> /* it needs the line above */
#include <unistd.h>

static void all(int fd, const char *at, ssize_t n) {
  while (n > 0) { ssize_t did = write(fd, at, n); if (did <= 0) { perror("write"); exit(1); } at += did; n -= did; }
}
int main(int argc, char **argv) {
  struct sockaddr_vm where = { .svm_family = AF_VSOCK, .svm_port = argc > 2 ? atoi(argv[2]) : 0, .svm_cid = VMADDR_CID_HOST };
  static char buffer[65536];
  ssize_t n;
  int s = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (argc < 3 || s < 0) { perror("socket"); return 1; }
  if (strcmp(argv[1], "echo") == 0) {
    where.svm_cid = VMADDR_CID_ANY;
    if (bind(s, (void *)&where, sizeof where) != 0 || listen(s, 4) != 0) { perror("listen"); return 1; }
    puts("listening"); fflush(stdout);
    int c = accept(s, 0, 0);
    while ((n = read(c, buffer, sizeof buffer)) > 0) all(c, buffer, n);
    all(c, "end\n", 4);
    close(c);
    return 0;
  }
  if (connect(s, (void *)&where, sizeof where) != 0) { perror("connect"); return 1; }
  while ((n = read(0, buffer, sizeof buffer)) > 0) all(s, buffer, n);
  shutdown(s, SHUT_WR);
  while ((n = read(s, buffer, sizeof buffer)) > 0) all(1, buffer, n);
  return 0;
}
