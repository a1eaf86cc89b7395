// test/differential/program-runner.s — a static arm64 Linux program without a library: reads records from stdin, runs the
// block of instructions of each from the state it names, and writes the record back with what came of it.
// Record (see programs.ts): 0x000 x0..x30, 0x0f8 sp, 0x100 nzcv, fpcr, fpsr, signals, 0x110 v0..v31, 0x310 64 words of
// program, 0x440 memory (a multiple of 64). An instruction that faults is skipped and counted, its signal number added up.
    .equ RECORD, 0x840
    .equ WORDS, 64

    .text
    .globl _start
_start:
    ldr x0, =stack_t
    mov x1, #0
    mov x8, #132            // sigaltstack
    svc #0
    mov x19, #4             // SIGILL
    bl catch
    mov x19, #5             // SIGTRAP
    bl catch
    mov x19, #7             // SIGBUS
    bl catch
    mov x19, #11            // SIGSEGV
    bl catch
next:
    ldr x20, =record
    ldr x21, =RECORD
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

    // the program goes to its place
    ldr x0, =record + 0x310
    ldr x1, =block
    mov x2, #WORDS
copy:
    ldr w3, [x0], #4
    str w3, [x1]
    dc cvau, x1
    dsb ish
    ic ivau, x1
    add x1, x1, #4
    subs x2, x2, #1
    b.ne copy
    dsb ish
    isb

    clrex
    nop
    msr tpidr_el0, xzr
    ldr x30, =record
    ldr x0, =signals
    str wzr, [x0]
    ldr w0, [x30, #0x100]
    msr nzcv, x0
    ldr w0, [x30, #0x104]
    msr fpcr, x0
    ldr w0, [x30, #0x108]
    msr fpsr, x0
    ldr x0, [x30, #0xf8]
    mov sp, x0
    add x0, x30, #0x110
    .altmacro
    .macro vector op, r
    \op q\r, [x0, #(\r * 16)]
    .endm
    .macro general op, r
    \op x\r, [x30, #(\r * 8)]
    .endm
    .set i, 0
    .rept 32
    vector ldr, %i
    .set i, i + 1
    .endr
    .set i, 0
    .rept 31
    general ldr, %i
    .set i, i + 1
    .endr
    b block
    .ltorg

back:
    msr tpidr_el0, x30
    ldr x30, =record
    .set i, 0
    .rept 30
    general str, %i
    .set i, i + 1
    .endr
    mrs x0, tpidr_el0
    str x0, [x30, #0xf0]
    mov x0, sp
    str x0, [x30, #0xf8]
    add x0, x30, #0x110
    .set i, 0
    .rept 32
    vector str, %i
    .set i, i + 1
    .endr
    mrs x0, nzcv
    str w0, [x30, #0x100]
    mrs x0, fpcr
    str w0, [x30, #0x104]
    mrs x0, fpsr
    str w0, [x30, #0x108]
    ldr x0, =signals
    ldr w0, [x0]
    str w0, [x30, #0x10c]
    mov x0, #1
    mov x1, x30
    ldr x2, =RECORD
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
handler:                    // adds up the signals, skips the instruction
    ldr x3, =signals
    ldr w4, [x3]
    add w4, w4, w0
    str w4, [x3]
    ldr x4, [x2, #440]      // ucontext.pc
    add x4, x4, #4
    str x4, [x2, #440]
    ret
    .ltorg

    .section .block, "awx"  // pages of its own: writing to it drops no other translation
    .balign 4096
block:
    .rept WORDS
    nop
    .endr
    b back
    .balign 4096

    .data
    .balign 16
action:
    .quad handler, 0x48000004, 0, 0 // SA_NODEFER | SA_ONSTACK | SA_SIGINFO
stack_t:
    .quad signal_stack, 0, 0x10000
signals:
    .word 0
    .balign 65536              // what lies below is the reach of a pointer that a loop counts down
record:                     // its memory lies in the middle of room that write-back may wander through
    .space RECORD
    .space 0x10000
signal_stack:
    .space 0x10000
