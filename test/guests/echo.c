/* test/guests/echo.c — sends every datagram of a UDP port back to whoever sent it: echo PORT. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int count, char **words) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in here = {.sin_family = AF_INET}, from;
  char bytes[2048];
  if (count < 2) return 2;
  here.sin_port = htons(atoi(words[1]));
  if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0) return 1;
  for (;;) {
    socklen_t length = sizeof from;
    ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);
    if (n >= 0) sendto(fd, bytes, n, 0, (struct sockaddr *)&from, length);
  }
}
