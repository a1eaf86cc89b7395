// test/guests/bare/start.S — a guest without a system, as an arm64 Image: the first instructions of each core, exceptions, EL0.
    .section .head, "ax"
    .globl _head
_head:
    b _start
    .word 0
    .quad 0x200000          // text_offset: RAM's base and 2 MiB
    .quad _image_size
    .quad 0xa               // little-endian, 4K pages
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .word 0

    .text
_start:
    mov x19, #0
    mov x20, x0
    bl prepare
    mov x0, x20
    bl main
power_off:
    ldr w0, =0x84000008     // SYSTEM_OFF
    hvc #0
1:  wfi
    b 1b

    .globl secondary_entry
secondary_entry:            // x0: the number of the core
    mov x19, x0
    bl prepare
    mov x0, x19
    bl secondary
2:  wfi
    b 2b

prepare:                    // of core x19: a stack, vectors, a record
    adrp x1, stacks
    add x1, x1, :lo12:stacks
    add x2, x19, #1
    add x1, x1, x2, lsl #14
    mov sp, x1
    adrp x1, records
    add x1, x1, :lo12:records
    add x1, x1, x19, lsl #6
    msr tpidr_el1, x1
    adrp x1, vectors
    add x1, x1, :lo12:vectors
    msr vbar_el1, x1
    msr oslar_el1, xzr
    isb
    ret

    .macro vector number
    .balign 128
    sub sp, sp, #272
    stp x0, x1, [sp]
    mov x1, #\number
    b enter
    .endm
    .balign 2048
vectors:
    .set n, 0
    .rept 16
    vector n
    .set n, n + 1
    .endr
enter:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x29, x30, [sp, #160]
    mov x0, sp
    bl exception
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x19, [sp, #144]
    ldp x29, x30, [sp, #160]
    ldp x0, x1, [sp]
    add sp, sp, #272
    eret

    .globl el0_call, el0_return
el0_call:                   // runs x0 at EL0, up to its svc #0
    stp x29, x30, [sp, #-96]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    msr elr_el1, x0
    mov x1, #0x3c0
    msr spsr_el1, x1
    adrp x1, stacks
    add x1, x1, :lo12:stacks
    add x1, x1, #0x1000     // of no core: the first has its top at 0x4000
    msr sp_el0, x1
    eret
el0_return:
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret

    .bss
    .balign 16384
stacks:
    .skip 16384 * 9
    .globl records
records:
    .skip 64 * 8
