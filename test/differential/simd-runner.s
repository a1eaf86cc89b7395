// test/differential/simd-runner.s — a static arm64 Linux program without a library: reads records from stdin, executes the
// one instruction of each with the registers it names, and writes the record back with what came of it.
// Record (see simd.ts): 0x000 x0..x28, 0x0e8 nzcv, 0x0ec fpcr, 0x0f0 fpsr, 0x0f4 word, 0x0f8 signal, 0x100 v0..v31, 0x300 memory.
    .equ RECORD, 0x500

    .text
    .globl _start
_start:
    mov x19, #4             // SIGILL
    bl catch
    mov x19, #7             // SIGBUS
    bl catch
    mov x19, #11            // SIGSEGV
    bl catch
next:
    ldr x20, =record
    mov x21, #RECORD
fill:
    mov x0, #0
    mov x1, x20
    mov x2, x21
    mov x8, #63             // read
    svc #0
    cmp x0, #0
    b.le finish
    add x20, x20, x0
    subs x21, x21, x0
    b.ne fill

    ldr x29, =record
    ldr w0, [x29, #0xf4]
    ldr x1, =slot
    str w0, [x1]
    dc cvau, x1
    dsb ish
    ic ivau, x1
    dsb ish
    isb
    str wzr, [x29, #0xf8]
    ldr w0, [x29, #0xe8]
    msr nzcv, x0
    ldr w0, [x29, #0xec]
    msr fpcr, x0
    ldr w0, [x29, #0xf0]
    msr fpsr, x0
    .altmacro
    .macro vector_pairs op, from
    \op q\from, [x30, #(\from * 16)]
    .endm
    add x30, x29, #0x100
    .set i, 0
    .rept 32
    vector_pairs ldr, %i
    .set i, i + 1
    .endr
    .macro general op, r
    \op x\r, [x29, #(\r * 8)]
    .endm
    .set i, 0
    .rept 29
    general ldr, %i
    .set i, i + 1
    .endr
    ldr x30, =slot
    blr x30

    ldr x29, =record
    .set i, 0
    .rept 29
    general str, %i
    .set i, i + 1
    .endr
    add x30, x29, #0x100
    .set i, 0
    .rept 32
    vector_pairs str, %i
    .set i, i + 1
    .endr
    mrs x0, nzcv
    str w0, [x29, #0xe8]
    mrs x0, fpcr
    str w0, [x29, #0xec]
    mrs x0, fpsr
    str w0, [x29, #0xf0]
    mov x0, #1
    mov x1, x29
    mov x2, #RECORD
    mov x8, #64             // write
    svc #0
    b next
finish:
    mov x0, #0
    mov x8, #93             // exit
    svc #0

catch:                      // rt_sigaction(x19, &action, NULL, 8)
    mov x0, x19
    ldr x1, =action
    mov x2, #0
    mov x3, #8
    mov x8, #134
    svc #0
    ret
handler:                    // notes the signal, skips the instruction
    ldr x3, =record
    str w0, [x3, #0xf8]
    ldr x4, [x2, #440]      // ucontext.pc
    add x4, x4, #4
    str x4, [x2, #440]
    ret
    .ltorg

    .balign 4096            // a page of its own: writing to it drops no other translation
slot:
    nop
    ret
    .balign 4096

    .data
    .balign 16
action:
    .quad handler, 0x40000004, 0, 0
    .balign 4096
record:
    .space RECORD
