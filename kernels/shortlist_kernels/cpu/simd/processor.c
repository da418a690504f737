#define _GNU_SOURCE  // syscall

#include "processor.h"

#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux lets a process use the tiles after it asked; the answer holds for all of its threads and
// children.
enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILECFG = 17, XFEATURE_XTILEDATA = 18 };

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static int has_amx;

// __builtin_cpu_supports reads the CPUID bits and, with XGETBV, that the operating system saves the
// registers.
int processor_has_avx512vnni(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

static int has_tile_instructions(void) {
  enum { AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
  return (edx & AMX_TILE) && (edx & AMX_INT8);
}

__attribute__((target("xsave"))) static int system_saves_tiles(void) {
  enum { OSXSAVE = 1 << 27 };
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & OSXSAVE)) return 0;
  unsigned long long saved = _xgetbv(0);
  return (saved >> XFEATURE_XTILECFG & 1) && (saved >> XFEATURE_XTILEDATA & 1);
}

static void ask(void) {
  has_amx = processor_has_avx512vnni() && has_tile_instructions() && system_saves_tiles() &&
            syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

int processor_has_amx(void) {
  pthread_once(&asked, ask);
  return has_amx;
}
