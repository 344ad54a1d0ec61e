// Child is a server in a process of its own, found by what it prints.

#ifndef BENCH_CHILD_H_
#define BENCH_CHILD_H_

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace bench {

// Killed (SIGKILL) and waited for at destruction. Not thread-safe.
class Child {
 public:
  // Starts `arguments` and reads its output up to a line with the word
  // `marker`; the address is the next word. The process ends if there is none.
  Child(std::vector<std::string> arguments, const std::string& marker);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& address() const { return address_; }

  // Reads on, up to a line that is `line`. The process ends if it never comes.
  void WaitForLine(const std::string& line);

  // CPU time it used so far, of all its threads, and memory it holds now.
  double CpuSeconds() const;
  double ResidentMegabytes() const;

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
  std::string address_;
};

}  // namespace bench

#endif  // BENCH_CHILD_H_
