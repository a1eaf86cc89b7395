// test/guests/fidelity/start.S — the suite's first instructions: an arm64 Image at 0x40200000 (or 0x40000000, moved), vectors,
// entry of secondary cores, and excursions to EL0.
  .section .head, "ax"
  b start
  .long 0
  .quad 0                    // text_offset
  .quad 0x400000             // image_size
  .quad 0xa                  // flags: little-endian, 4 KiB pages, anywhere
  .quad 0, 0, 0
  .ascii "ARM\x64"
  .long 0
start:
  adrp x1, _begin
  add x1, x1, :lo12:_begin
  ldr x2, =_begin            // absolute: where it is linked
  cmp x1, x2
  b.eq 2f
  ldr x3, =_data_end         // moves itself: from below to above, last word first
  sub x4, x3, x2
1: sub x4, x4, #8
  ldr x5, [x1, x4]
  str x5, [x2, x4]
  cbnz x4, 1b
  ldr x5, =2f
  ic iallu
  dsb sy
  isb
  br x5
2: ldr x1, =stacks + 0x8000
  mov sp, x1
  ldr x1, =vectors
  msr vbar_el1, x1
  mov x1, #3 << 20
  msr cpacr_el1, x1
  isb
  bl main
3: wfi
  b 3b

  .global secondary
secondary:                   // x0: what CPU_ON was given
  mrs x1, mpidr_el1
  and x1, x1, #0xff
  ldr x3, =stacks
  ldr x3, =stacks + 0x8000
  add x3, x3, x1, lsl #15
  mov sp, x3
  ldr x3, =vectors
  msr vbar_el1, x3
  bl secondary_main
4: ldr x0, =0x84000002
  hvc #0
  b 4b

  .balign 2048
  .global vectors
vectors:
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  .balign 128
  sub sp, sp, #288
  stp x0, x1, [sp]
  mov x0, #\n
  b common
  .endr
common:
  stp x2, x3, [sp, #16]
  stp x4, x5, [sp, #32]
  stp x6, x7, [sp, #48]
  stp x8, x9, [sp, #64]
  stp x10, x11, [sp, #80]
  stp x12, x13, [sp, #96]
  stp x14, x15, [sp, #112]
  stp x16, x17, [sp, #128]
  stp x18, x19, [sp, #144]
  stp x20, x21, [sp, #160]
  stp x22, x23, [sp, #176]
  stp x24, x25, [sp, #192]
  stp x26, x27, [sp, #208]
  stp x28, x29, [sp, #224]
  mrs x1, elr_el1
  stp x30, x1, [sp, #240]
  mrs x1, spsr_el1
  str x1, [sp, #256]
  mov x1, sp
  bl trapped
  ldr x1, [sp, #256]
  msr spsr_el1, x1
  ldp x30, x1, [sp, #240]
  msr elr_el1, x1
  ldp x2, x3, [sp, #16]
  ldp x4, x5, [sp, #32]
  ldp x6, x7, [sp, #48]
  ldp x8, x9, [sp, #64]
  ldp x10, x11, [sp, #80]
  ldp x12, x13, [sp, #96]
  ldp x14, x15, [sp, #112]
  ldp x16, x17, [sp, #128]
  ldp x18, x19, [sp, #144]
  ldp x20, x21, [sp, #160]
  ldp x22, x23, [sp, #176]
  ldp x24, x25, [sp, #192]
  ldp x26, x27, [sp, #208]
  ldp x28, x29, [sp, #224]
  ldp x0, x1, [sp]
  add sp, sp, #288
  eret

// u64 el0(code, argument): runs code at EL0 until it makes its SVC (which `trapped` sends to el0_back with x0)
  .global el0
el0:
  stp x29, x30, [sp, #-96]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  msr elr_el1, x0
  mov x2, #0x3c0
  msr spsr_el1, x2
  mov x0, x1
  eret
  .global el0_back
el0_back:
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp x29, x30, [sp], #96
  ret
