// HelpScope lets a thread do itself the work that it leaves to others, if they
// are idle: a hand-over to a sleeping thread costs more than most work does
// (bench/README.md), so a lone request had better keep its thread.
//
//   {
//     base::HelpScope scope(/*errands_max=*/2);
//     worker.Post(task);  // Asleep: wakes nobody.
//   }                     // Runs the task here, unless somebody else did.
//
// Nothing runs inside Post: callers may hold locks there that the work needs.
// Where the scope ends they hold none, and the stack is theirs: no recursion.
// What the work leaves behind in turn is the next errand of the same scope.
//
// Under load nobody is idle, so nothing is left to help with, and the threads
// whose work it is do it in large batches.

#ifndef BASE_HELP_SCOPE_H_
#define BASE_HELP_SCOPE_H_

namespace base {

// A queue with a thread of its own, whose work any thread may do while that one
// sleeps. It asks HelpScope::Promise, with the work queued, before it wakes its
// thread. It must outlive the scopes of the threads that use it.
class Helped {
 public:
  // Does what is queued now, or nothing if somebody is at it: whoever that is
  // sees to what came meanwhile. REQUIRES: the caller holds no lock.
  virtual void Help() = 0;

 protected:
  ~Helped() = default;
};

// On the stack of the thread that helps. Within it the thread must not wait for
// what it leaves to others: that may be waiting for the scope to end. Within
// another scope it does nothing.
class HelpScope {
 public:
  // Helps at most this often, which bounds how long it keeps its thread.
  explicit HelpScope(int errands_max);
  // Helps. REQUIRES: the thread holds no lock.
  ~HelpScope();
  HelpScope(const HelpScope&) = delete;
  HelpScope& operator=(const HelpScope&) = delete;

  // True: this thread will call helped.Help(), so wake nobody. False: it is in
  // no scope, or has promised enough. Takes no lock and calls nothing.
  static bool Promise(Helped& helped);

  // Something was promised: where this scope ends the thread will be at it for
  // a while.
  bool has_errand() const { return outermost_ && promised_ != nullptr; }

 private:
  static thread_local HelpScope* current_;

  const bool outermost_;
  int errands_left_;
  // The next errand. One at a time: a second piece of work runs beside the
  // first, on the thread whose it is.
  Helped* promised_ = nullptr;
};

}  // namespace base

#endif  // BASE_HELP_SCOPE_H_
