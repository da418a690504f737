// A call stands on its caller's stack and, while it wants workers, in the list of the pool.
//
// Locking rule: there is one lock. It guards the pool and every field of a call that is not atomic,
// and is never held while tasks run. A worker touches a call from when it counts itself in under
// the lock (`num_inside`) until it counts itself out; the caller returns when it sees, under the
// lock, that the call is off the list and nobody inside. Until then it may read `num_inside`
// without the lock as a hint, never as the answer.
#define _POSIX_C_SOURCE 200809L  // pthread_sigmask

#include "threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

// Pauses of 10 to 20 us in all before a caller sleeps until the last worker is done: they took 4 to
// 12 % off the median of calls of 50 to 100 us (2 threads, Zen 3). Workers that paused for the next
// call won nothing and delayed their callers where the cores were taken.
enum { SPINS = 400 };

typedef struct call_state {
  void (*work)(void* context, int64_t thread, int64_t task);
  void* context;
  int64_t num_threads, num_tasks;
  _Atomic int64_t next_task;
  int64_t num_joined;          // numbers of threads given away, 0 to the caller
  _Atomic int64_t num_inside;  // workers that may touch this call
  pthread_cond_t emptied;
  struct call_state* next;
} call_state;

typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t opened;
  call_state* calls;  // those that want workers, newest first
  int64_t num_workers, num_parked;
} pool_state;

static pool_state pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static bool fork_is_safe;

// The workers do not exist in the child, and the lock may have been held by a thread that does not
// either. Nothing of the pool is worth keeping there.
static void forget_pool(void) {
  pool = (pool_state){.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
}

static void handle_forks(void) { fork_is_safe = pthread_atfork(NULL, NULL, forget_pool) == 0; }

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void take_tasks(call_state* call, int64_t thread) {
  for (;;) {
    int64_t task = atomic_fetch_add_explicit(&call->next_task, 1, memory_order_relaxed);
    if (task >= call->num_tasks) return;
    call->work(call->context, thread, task);
  }
}

// Locked. Takes the call off the list, if it is there, so that no other worker joins.
static void close_call(call_state* call) {
  call_state* before = NULL;
  for (call_state* open = pool.calls; open; before = open, open = open->next) {
    if (open != call) continue;
    if (before)
      before->next = call->next;
    else
      pool.calls = call->next;
    return;
  }
}

static void* serve_calls(void* unused) {
  (void)unused;
  pthread_mutex_lock(&pool.lock);
  for (;;) {
    call_state* call = pool.calls;
    if (!call) {
      pool.num_parked++;
      pthread_cond_wait(&pool.opened, &pool.lock);
      pool.num_parked--;
      continue;
    }
    int64_t thread = call->num_joined++;
    if (call->num_joined == call->num_threads) close_call(call);
    call->num_inside++;
    pthread_mutex_unlock(&pool.lock);
    take_tasks(call, thread);
    pthread_mutex_lock(&pool.lock);
    close_call(call);
    if (--call->num_inside == 0) pthread_cond_signal(&call->emptied);
  }
  return NULL;
}

// Locked. Where the system gives no more threads there are fewer workers; the next call tries
// again.
static void add_workers(int64_t wanted) {
  // Signals are for the program's own threads; a fault must still reach its handler here.
  sigset_t blocked, before;
  sigfillset(&blocked);
  sigdelset(&blocked, SIGSEGV);
  sigdelset(&blocked, SIGBUS);
  sigdelset(&blocked, SIGFPE);
  sigdelset(&blocked, SIGILL);
  pthread_attr_t detached;
  if (pthread_attr_init(&detached) != 0) return;
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);  // a thread inherits its maker's
  pthread_t worker;
  while (pool.num_workers < wanted && pthread_create(&worker, &detached, serve_calls, NULL) == 0)
    pool.num_workers++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&detached);
}

static void open_call(call_state* call) {
  int64_t wanted = call->num_threads - 1;
  pthread_mutex_lock(&pool.lock);
  if (pool.num_workers < wanted) add_workers(wanted);
  call->next = pool.calls;
  pool.calls = call;
  int64_t num_parked = pool.num_parked;
  pthread_mutex_unlock(&pool.lock);
  if (num_parked <= wanted) {
    if (num_parked > 0) pthread_cond_broadcast(&pool.opened);
  } else {
    for (int64_t i = 0; i < wanted; i++) pthread_cond_signal(&pool.opened);
  }
}

static void await_workers(call_state* call) {
  pthread_mutex_lock(&pool.lock);
  close_call(call);
  if (call->num_inside > 0) {
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < SPINS && atomic_load_explicit(&call->num_inside, memory_order_relaxed); i++)
      relax();
    pthread_mutex_lock(&pool.lock);
  }
  while (call->num_inside > 0) pthread_cond_wait(&call->emptied, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
}

void run_tasks(int64_t num_threads, int64_t num_tasks,
               void (*work)(void* context, int64_t thread, int64_t task), void* context) {
  if (num_threads > num_tasks) num_threads = num_tasks;
  if (num_threads > MAX_THREADS) num_threads = MAX_THREADS;
  if (num_threads > 1) pthread_once(&fork_once, handle_forks);
  call_state call = {.work = work,
                     .context = context,
                     .num_threads = num_threads,
                     .num_tasks = num_tasks,
                     .num_joined = 1};
  bool is_shared = num_threads > 1 && fork_is_safe && pthread_cond_init(&call.emptied, NULL) == 0;
  if (is_shared) open_call(&call);
  take_tasks(&call, 0);
  if (!is_shared) return;
  await_workers(&call);
  pthread_cond_destroy(&call.emptied);
}
