// Runs commands one after the other and writes what they cost: wall seconds, user and system seconds, and the largest
// peak of resident memory in KiB. A small program of its own, because a child starts with the peak of its parent, and
// because the interpreter takes milliseconds to start a process.
//
//   spawn RESULT COMMAND ARGUMENT... [';' COMMAND ARGUMENT...]...
//
// The first command that fails ends it, with that command's status.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double seconds(struct timeval value) { return value.tv_sec + value.tv_usec / 1e6; }

int main(int argc, char **argv) {
    double user = 0, system = 0;
    long peak = 0;
    struct timespec start, end;
    FILE *result = argc > 2 ? fopen(argv[1], "w") : NULL;
    if (!result) return 125;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int first = 2; first < argc;) {
        int last = first;
        while (last < argc && strcmp(argv[last], ";") != 0) last++;
        argv[last] = NULL;
        pid_t child;
        struct rusage usage;
        int status;
        if (posix_spawnp(&child, argv[first], NULL, NULL, argv + first, environ) != 0) return 127;
        if (wait4(child, &status, 0, &usage) != child) return 126;
        user += seconds(usage.ru_utime);
        system += seconds(usage.ru_stime);
        if (usage.ru_maxrss > peak) peak = usage.ru_maxrss;
        if (status != 0) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        first = last + 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    fprintf(result, "%.6f %.6f %.6f %ld\n", end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9, user, system, peak);
    return fclose(result) != 0;
}
