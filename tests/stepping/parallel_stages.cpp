// Sums over stages of work, by several callers at a time: the result must not depend on the number of threads. With "fork", also
// in a child of a process that has had threads.
#include "parallel_stages.h"

#include <sys/wait.h>

#include <cstring>

namespace {

// Every chunk takes over what the stage before left in all of them.
int64_t sum(int threads, int64_t stages, int64_t chunks) {
    std::vector<int64_t> cells(chunks, 1);
    int64_t total = 0;
    run_stages(threads, stages, chunks, [&] { return [&](int64_t stage, int64_t chunk) { cells[chunk] += (total + stage) % 7; }; },
               [&](int64_t) { for (int64_t value : cells) total += value; });
    return total;
}

bool same(int rounds, int64_t stages, int64_t chunks) {
    const int64_t expected = sum(1, stages, chunks);
    for (int i = 0; i < rounds; i++)
        if (sum(2 + i % 4, stages, chunks) != expected) return false;
    return true;
}

}  // namespace

int main(int count, char** words) {
    std::atomic<bool> right{true};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; i++) callers.emplace_back([&] { if (!same(300, 20, 9)) right = false; });
    for (auto& one : callers) one.join();
    if (!same(3000, 1, 2)) right = false;
    if (count > 1 && !std::strcmp(words[1], "fork")) {
        const pid_t child = fork();
        if (child == 0) _exit(same(100, 20, 9) ? 0 : 1);
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) right = false;
    }
    return right ? 0 : 1;
}
