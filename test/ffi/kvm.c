// test/ffi/kvm.c — prints what the kernel's headers for arm64 say of everything that ffi/kvm.ts has a number for, as JSON.
#include <asm/kvm.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdio.h>
#define N(name) printf("\"%s\": %llu,\n", #name, (unsigned long long)(name))
#define S(name) printf("\"sizeof %s\": %zu,\n", #name, sizeof(struct name))
#define O(name, field) printf("\"%s\": %zu,\n", name, offsetof(struct kvm_run, field))
#define CORE(name, field) printf("\"core %s\": %llu,\n", name, (unsigned long long)(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field)))
int main(void) {
  printf("{\n");
  N(KVM_GET_API_VERSION); N(KVM_CREATE_VM); N(KVM_CHECK_EXTENSION); N(KVM_GET_VCPU_MMAP_SIZE); N(KVM_CREATE_VCPU); N(KVM_SET_USER_MEMORY_REGION); N(KVM_RUN); N(KVM_IRQ_LINE);
  N(KVM_CREATE_DEVICE); N(KVM_SET_DEVICE_ATTR); N(KVM_ARM_VCPU_INIT); N(KVM_ARM_PREFERRED_TARGET); N(KVM_GET_ONE_REG); N(KVM_SET_ONE_REG); N(KVM_SET_GUEST_DEBUG); N(KVM_ENABLE_CAP);
  N(KVM_API_VERSION); N(KVM_CAP_ARM_VM_IPA_SIZE); N(KVM_CAP_MAX_VCPUS); N(KVM_CAP_ARM_NISV_TO_USER);
  N(KVM_EXIT_UNKNOWN); N(KVM_EXIT_DEBUG); N(KVM_EXIT_MMIO); N(KVM_EXIT_SHUTDOWN); N(KVM_EXIT_FAIL_ENTRY); N(KVM_EXIT_INTR); N(KVM_EXIT_INTERNAL_ERROR); N(KVM_EXIT_SYSTEM_EVENT); N(KVM_EXIT_ARM_NISV);
  N(KVM_SYSTEM_EVENT_SHUTDOWN); N(KVM_SYSTEM_EVENT_RESET); N(KVM_SYSTEM_EVENT_CRASH);
  N(KVM_ARM_VCPU_POWER_OFF); N(KVM_ARM_VCPU_PSCI_0_2); N(KVM_GUESTDBG_ENABLE); N(KVM_GUESTDBG_USE_SW_BP);
  N(KVM_DEV_TYPE_ARM_VGIC_V2); N(KVM_DEV_TYPE_ARM_VGIC_V3); N(KVM_DEV_ARM_VGIC_GRP_ADDR); N(KVM_DEV_ARM_VGIC_GRP_NR_IRQS); N(KVM_DEV_ARM_VGIC_GRP_CTRL); N(KVM_DEV_ARM_VGIC_CTRL_INIT);
  N(KVM_VGIC_V2_ADDR_TYPE_DIST); N(KVM_VGIC_V2_ADDR_TYPE_CPU); N(KVM_VGIC_V3_ADDR_TYPE_DIST); N(KVM_VGIC_V3_ADDR_TYPE_REDIST); N(KVM_ARM_IRQ_TYPE_SPI); N(KVM_ARM_IRQ_TYPE_SHIFT);
  S(kvm_userspace_memory_region); S(kvm_create_device); S(kvm_device_attr); S(kvm_irq_level); S(kvm_vcpu_init); S(kvm_one_reg); S(kvm_guest_debug); S(kvm_enable_cap);
  O("immediate_exit", immediate_exit); O("exit_reason", exit_reason); O("mmio_phys_addr", mmio.phys_addr); O("mmio_data", mmio.data); O("mmio_len", mmio.len); O("mmio_is_write", mmio.is_write);
  O("system_event_type", system_event.type); O("debug_hsr", debug.arch.hsr); O("hardware_entry_failure_reason", fail_entry.hardware_entry_failure_reason);
#define WIDE(name, size, field) printf("\"wide %s\": %llu,\n", name, (unsigned long long)(KVM_REG_ARM64 | size | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field)))
  O("arm_nisv_fault_ipa", arm_nisv.fault_ipa); WIDE("VECTOR", KVM_REG_SIZE_U128, fp_regs.vregs[0]); WIDE("VECTOR1", KVM_REG_SIZE_U128, fp_regs.vregs[1]); WIDE("FPSR", KVM_REG_SIZE_U32, fp_regs.fpsr); WIDE("FPCR", KVM_REG_SIZE_U32, fp_regs.fpcr);
  CORE("X0", regs.regs[0]); CORE("SP_EL0", regs.sp); CORE("PC", regs.pc); CORE("PSTATE", regs.pstate); CORE("SP_EL1", sp_el1); CORE("ELR_EL1", elr_el1); CORE("SPSR_EL1", spsr[0]);
  printf("\"SCTLR_EL1\": %llu, \"TIMER_CVAL\": %llu, \"TIMER_CNT\": %llu\n}\n", (unsigned long long)ARM64_SYS_REG(3, 0, 1, 0, 0), (unsigned long long)KVM_REG_ARM_TIMER_CVAL, (unsigned long long)KVM_REG_ARM_TIMER_CNT);
}
