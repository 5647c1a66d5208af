/* All that the programs have in place of an operating system's C library: an entry, an exit, and
 * the memory functions that `core` asks of its environment (on bare-metal targets they come with
 * compiler_builtins). `check` is the Rust side; its result is the exit status. */
#include <stddef.h>

int check(void);

void *memcpy(void *restrict to, const void *restrict from, size_t len) {
    unsigned char *t = to;
    const unsigned char *f = from;
    while (len--) *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t len) {
    unsigned char *t = to;
    const unsigned char *f = from;
    if (t <= f) return memcpy(to, from, len);
    while (len--) t[len] = f[len];
    return to;
}

void *memset(void *to, int byte, size_t len) {
    unsigned char *t = to;
    while (len--) *t++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *left, const void *right, size_t len) {
    const unsigned char *l = left, *r = right;
    for (; len--; l++, r++)
        if (*l != *r) return *l - *r;
    return 0;
}

int bcmp(const void *left, const void *right, size_t len) {
    return memcmp(left, right, len);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n"
        "  xor %ebp, %ebp\n  and $-16, %rsp\n  call check\n"
        "  mov %eax, %edi\n  mov $60, %eax\n  syscall\n  hlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n"
        "  bl check\n  mov x8, #93\n  svc #0\n  brk #1\n");
#else
#error "how does a process begin and end here?"
#endif
