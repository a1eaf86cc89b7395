/* test/guests/kexec.c — `kexec IMAGE INITRD`: starts another kernel from this one, with the device tree that this one was
 * booted with. The initrd goes where that tree says that it is, so it must be the same file. Spec: kexec_load(2), the kernel's
 * Documentation/arm64/booting.rst. */
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 0x10000ul
#define RAM 0x40000000ul

struct segment { const void *buffer; size_t buffer_size; uint64_t at; size_t size; };

static void fail(const char *what) { perror(what); exit(1); }
static void *load(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) < 0) fail(path);
  size_t room = stat.st_size > 4096 ? stat.st_size : 1 << 21, got;
  char *bytes = calloc(1, room);
  for (*size = 0; (got = read(fd, bytes + *size, room - *size)) > 0 && got <= room; *size += got) {}
  close(fd);
  return bytes;
}
/* The value of a property of 8 bytes, found by its name: the blob is a list of tokens. */
static uint64_t property(const unsigned char *blob, const char *name) {
  const uint32_t *header = (const uint32_t *)blob;
  const unsigned char *p = blob + __builtin_bswap32(header[2]), *strings = blob + __builtin_bswap32(header[3]);
  for (;;) {
    uint32_t token = __builtin_bswap32(*(const uint32_t *)p);
    p += 4;
    if (token == 1) p += (strlen((const char *)p) + 4) & ~3ul;
    else if (token == 3) {
      uint32_t length = __builtin_bswap32(((const uint32_t *)p)[0]), at = __builtin_bswap32(((const uint32_t *)p)[1]);
      uint64_t value = 0;
      if (length == 8 && strcmp((const char *)strings + at, name) == 0) {
        memcpy(&value, p + 8, 8);
        return __builtin_bswap64(value);
      }
      p += 8 + ((length + 3) & ~3u);
    } else if (token == 9) {
      fprintf(stderr, "the device tree has no %s\n", name);
      exit(1);
    }
  }
}
static size_t whole(size_t size) { return (size + PAGE - 1) & ~(PAGE - 1); }

int main(int argc, char **argv) {
  size_t image_size, initrd_size, blob_size;
  if (argc != 3) return 2;
  void *image = load(argv[1], &image_size), *initrd = load(argv[2], &initrd_size), *blob = load("/sys/firmware/fdt", &blob_size);
  uint64_t memory_size;
  memcpy(&memory_size, (char *)image + 16, 8);
  uint64_t initrd_at = property(blob, "linux,initrd-start");
  uint64_t blob_at = (initrd_at + whole(initrd_size) + (1 << 21)) & ~((1ul << 21) - 1), stub_at = blob_at + (1 << 21);
  /* x0 = the device tree, x1 to x3 = 0, and on to the kernel */
  uint32_t stub[PAGE / 4] = { 0x58000100, 0x58000124, 0xd2800001, 0xd2800002, 0xd2800003, 0xd61f0080, 0xd503201f };
  memcpy(stub + 8, &blob_at, 8);
  uint64_t kernel_at = RAM;
  memcpy(stub + 10, &kernel_at, 8);
  struct segment segments[] = {
    { image, image_size, RAM, whole(memory_size) }, { initrd, initrd_size, initrd_at, whole(initrd_size) },
    { blob, blob_size, blob_at, whole(blob_size) }, { stub, sizeof stub, stub_at, PAGE },
  };
  if (syscall(SYS_kexec_load, stub_at, 4, segments, KEXEC_ARCH_AARCH64) < 0) fail("kexec_load");
  sync();
  reboot(LINUX_REBOOT_CMD_KEXEC);
  fail("reboot");
}
