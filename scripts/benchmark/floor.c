// Times the parts of unpacking a layer, each on one core with the fastest library there is. All memory is there before
// the clock starts, and the fastest of several rounds counts.
//
//   floor blob ROUNDS FILE          inflate, and SHA-256 of the blob and of the tar:
//                                   bytes of the blob, bytes of the tar, then seconds of the three, then who inflated
//   floor write BLOBS DIRECTORY... TO
//                                   makes the trees again below TO, and a file of BLOBS bytes beside them:
//                                   number of entries, bytes of the files, seconds, seconds of a `syncfs` after it, and
//                                   what all cores worked meanwhile
#define _GNU_SOURCE
#define ZSTD_STATIC_LINKING_ONLY
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <openssl/evp.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

// Seconds that all cores have worked, for whomever: the kernel writes back in threads of its own.
static double worked(void) {
    unsigned long long user, nice, system, idle, waiting, interrupts, soft;
    FILE *stat = fopen("/proc/stat", "r");
    if (!stat || fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &waiting, &interrupts, &soft) != 7)
        errx(1, "/proc/stat");
    fclose(stat);
    return (double)(user + nice + system + interrupts + soft) / sysconf(_SC_CLK_TCK);
}

// Memory whose pages are there already, huge ones where the kernel gives them.
static void *resident(size_t size) {
    size = (size + (2 << 20)) & ~((size_t)(2 << 20) - 1);
    void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) err(1, "memory");
    madvise(place, size, MADV_HUGEPAGE);
    if (madvise(place, size, MADV_POPULATE_WRITE) != 0) memset(place, 1, size);
    return place;
}

static void read_all(int file, char *to, size_t size) {
    while (size > 0) {
        ssize_t got = read(file, to, size);
        if (got <= 0) err(1, "read");
        to += got;
        size -= got;
    }
}

static void write_all(int file, const char *from, size_t size) {
    while (size > 0) {
        ssize_t done = write(file, from, size < (1 << 20) ? size : 1 << 20);
        if (done <= 0) err(1, "write");
        from += done;
        size -= done;
    }
}

// Each gives the bytes that came out, or 0.

static size_t with_libdeflate(const void *in, size_t size, void *out, size_t room) {
    static struct libdeflate_decompressor *state;
    if (!state) state = libdeflate_alloc_decompressor();
    size_t at = 0, total = 0, used, made;
    while (at < size) {
        if (libdeflate_gzip_decompress_ex(state, (const char *)in + at, size - at, (char *)out + total, room - total, &used, &made)
            != LIBDEFLATE_SUCCESS) return 0;
        at += used;
        total += made;
    }
    return total;
}

static size_t with_isal(const void *in, size_t size, void *out, size_t room) {
    static struct inflate_state state;
    isal_inflate_init(&state);
    state.next_in = (uint8_t *)in;
    state.avail_in = size;
    size_t total = 0;
    for (;;) {
        // Its counters have 32 bits.
        uint32_t part = room - total > (1u << 30) ? 1u << 30 : room - total;
        state.crc_flag = ISAL_GZIP;
        state.next_out = (uint8_t *)out + total;
        state.avail_out = part;
        if (isal_inflate(&state) != ISAL_DECOMP_OK) return 0;
        total += part - state.avail_out;
        if (state.block_state == ISAL_BLOCK_FINISH) {
            if (state.avail_in == 0) return total;
            isal_inflate_reset(&state);
        } else if (total == room) {
            return 0;
        }
    }
}

static size_t with_zstd(const void *in, size_t size, void *out, size_t room) {
    size_t total = ZSTD_decompress(out, room, in, size);
    return ZSTD_isError(total) ? 0 : total;
}

typedef size_t inflater(const void *, size_t, void *, size_t);

static double sha256(const void *data, size_t size, int rounds) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    double best = 1e9;
    for (int round = 0; round < rounds; round++) {
        double start = now();
        if (!EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL)) errx(1, "SHA-256");
        double took = now() - start;
        if (took < best) best = took;
    }
    return best;
}

// The tar is as long as the inflater that takes any length says; gzip itself says it only modulo 4 GiB.
static int blob(int rounds, const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) err(1, "%s", path);
    size_t size = status.st_size;
    unsigned char *in = resident(size + 8);
    read_all(file, (char *)in, size);
    struct { inflater *run; const char *name; } all[] = {{NULL, "-"}, {NULL, NULL}};
    size_t room = 0;
    if (size > 18 && in[0] == 0x1f && in[1] == 0x8b) {
        all[0].run = with_libdeflate, all[0].name = "libdeflate";
        all[1].run = with_isal, all[1].name = "ISA-L";
        memcpy(&room, in + size - 4, 4);
        while (room < size) room += (size_t)1 << 32;
    } else if (size > 4 && memcmp(in, "\x28\xb5\x2f\xfd", 4) == 0) {
        all[0].run = with_zstd, all[0].name = "libzstd";
        unsigned long long bound = ZSTD_decompressBound(in, size);
        if (bound == ZSTD_CONTENTSIZE_ERROR) errx(1, "%s: no zstd", path);
        room = bound;
    }
    if (!all[0].run) {
        printf("%zu %zu 0 %.6f 0 -\n", size, size, sha256(in, size, rounds));
        return 0;
    }
    unsigned char *out = resident(room);
    double best = 1e9;
    const char *name = NULL;
    size_t bytes = 0;
    for (int way = 0; way < 2 && all[way].run; way++) {
        for (int round = 0; round < rounds; round++) {
            double start = now();
            size_t got = all[way].run(in, size, out, room);
            double took = now() - start;
            if (got == 0) break;
            bytes = got;
            if (took < best) best = took, name = all[way].name;
        }
    }
    if (!name) errx(1, "%s: no library inflates it", path);
    printf("%zu %zu %.6f %.6f %.6f %s\n", size, bytes, best, sha256(in, size, rounds), sha256(out, bytes, rounds), name);
    return 0;
}

// One name of a tree, in the order in which it is made. A directory comes before what is in it; `up` after.
struct node {
    enum { MAKE, UP } step;
    mode_t mode;
    dev_t device;
    struct timespec times[2];
    size_t name, content, size;
    long link; // the path of an earlier name of the same inode below its tree, in `text`, or -1
};

static struct node *nodes;
static size_t count, space;
static char *text;
static size_t text_size, text_space;
static char *contents;
static size_t contents_size, contents_space;
static void *inodes;

static size_t keep_text(const char *from) {
    size_t size = strlen(from) + 1, at = text_size;
    if (text_size + size > text_space && !(text = realloc(text, text_space = 2 * text_space + size))) err(1, "memory");
    memcpy(text + at, from, size);
    text_size += size;
    return at;
}

static struct node *add(void) {
    if (count == space && !(nodes = realloc(nodes, (space = 2 * space + 1024) * sizeof *nodes))) err(1, "memory");
    memset(nodes + count, 0, sizeof *nodes);
    nodes[count].link = -1;
    return nodes + count++;
}

struct inode { dev_t device; ino_t number; size_t path; };

static int by_inode(const void *left, const void *right) {
    const struct inode *a = left, *b = right;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return (a->device > b->device) - (a->device < b->device);
}

static size_t reserve(size_t size) {
    if (contents_size + size > contents_space) errx(1, "the files grew");
    contents_size += size;
    return contents_size - size;
}

static void collect(int at, const char *path) {
    DIR *dir = fdopendir(at);
    if (!dir) err(1, "%s", path);
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        struct stat status;
        if (fstatat(at, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) err(1, "%s", entry->d_name);
        char *below;
        if (asprintf(&below, "%s%s%s", path, *path ? "/" : "", entry->d_name) < 0) err(1, "memory");
        struct node *node = add();
        node->name = keep_text(entry->d_name);
        node->mode = status.st_mode;
        node->device = status.st_rdev;
        node->times[0] = node->times[1] = status.st_mtim;
        size_t own = count - 1;
        if (S_ISDIR(status.st_mode)) {
            int inner = openat(at, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (inner < 0) err(1, "%s", below);
            collect(inner, below);
            struct node *up = add();
            up->step = UP;
            memcpy(up->times, nodes[own].times, sizeof up->times);
            free(below);
            continue;
        }
        if (status.st_nlink > 1) {
            struct inode *inode = malloc(sizeof *inode);
            if (!inode) err(1, "memory");
            *inode = (struct inode){status.st_dev, status.st_ino, keep_text(below)};
            struct inode **found = tsearch(inode, &inodes, by_inode);
            if (*found != inode) {
                node->link = (*found)->path;
                free(inode);
            }
        }
        if (node->link < 0 && S_ISREG(status.st_mode)) {
            node->size = status.st_size;
            node->content = reserve(node->size);
            int file = openat(at, entry->d_name, O_RDONLY | O_CLOEXEC);
            if (file < 0) err(1, "%s", below);
            read_all(file, contents + node->content, node->size);
            close(file);
        } else if (node->link < 0 && S_ISLNK(status.st_mode)) {
            node->content = reserve(status.st_size + 1);
            if (readlinkat(at, entry->d_name, contents + node->content, status.st_size) != status.st_size) err(1, "%s", below);
            contents[node->content + status.st_size] = 0;
        }
        free(below);
    }
    closedir(dir);
}

static void make(int top) {
    int handles[4096], depth = 0;
    handles[0] = top;
    for (const struct node *node = nodes; node < nodes + count; node++) {
        int at = handles[depth];
        const char *name = text + node->name;
        if (node->step == UP) {
            if (depth == 0) errx(1, "order");
            if (futimens(at, node->times) != 0) err(1, "times");
            close(at);
            depth--;
        } else if (S_ISDIR(node->mode)) {
            if (mkdirat(at, name, node->mode & 07777) != 0 || depth == 4095) err(1, "mkdir %s", name);
            if ((handles[++depth] = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) err(1, "open %s", name);
        } else if (node->link >= 0) {
            if (linkat(top, text + node->link, at, name, 0) != 0) err(1, "link %s", name);
        } else if (S_ISREG(node->mode)) {
            int file = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, node->mode & 07777);
            if (file < 0) err(1, "create %s", name);
            write_all(file, contents + node->content, node->size);
            if (futimens(file, node->times) != 0) err(1, "times");
            close(file);
        } else {
            if (S_ISLNK(node->mode) ? symlinkat(contents + node->content, at, name) : mknodat(at, name, node->mode, node->device))
                err(1, "make %s", name);
            if (utimensat(at, name, node->times, AT_SYMLINK_NOFOLLOW) != 0) err(1, "times");
        }
    }
}

// What the contents of a tree take, as `reserve` counts.
static size_t weigh(const char *path) {
    size_t total = 0;
    char *command, line[64];
    if (asprintf(&command, "find \"%s\" -xdev ! -type d -printf '%%s\\n'", path) < 0) err(1, "memory");
    FILE *sizes = popen(command, "r");
    while (sizes && fgets(line, sizeof line, sizes)) total += strtoull(line, NULL, 10) + 1;
    if (!sizes || pclose(sizes) != 0) errx(1, "%s: sizes", path);
    free(command);
    return total;
}

static int write_trees(size_t blobs, char **sources, int trees, const char *to) {
    size_t total = blobs;
    umask(0);
    for (int tree = 0; tree < trees; tree++) total += weigh(sources[tree]);
    contents_space = total;
    contents = resident(total);
    size_t *starts = calloc(trees + 1, sizeof *starts);
    if (!starts) err(1, "memory");
    for (int tree = 0; tree < trees; tree++) {
        // A link never leaves its tree.
        inodes = NULL;
        int source = open(sources[tree], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (source < 0) err(1, "%s", sources[tree]);
        collect(source, "");
        starts[tree + 1] = count;
    }
    size_t files = contents_size;
    int top = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0) err(1, "%s", to);
    struct node *all = nodes;
    double start = now();
    for (int tree = 0; tree < trees; tree++) {
        char name[32];
        snprintf(name, sizeof name, "%d", tree);
        if (mkdirat(top, name, 0755) != 0) err(1, "mkdir %s", name);
        int place = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (place < 0) err(1, "%s", name);
        nodes = all + starts[tree];
        count = starts[tree + 1] - starts[tree];
        make(place);
        close(place);
    }
    // Which bytes the blobs have makes no difference.
    int copy = openat(top, "blobs", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (copy < 0) err(1, "blobs");
    write_all(copy, contents, blobs);
    close(copy);
    double took = now() - start;
    double before = worked();
    start = now();
    if (syncfs(top) != 0) err(1, "syncfs");
    double synced = now() - start;
    double work = worked() - before;
    size_t entries = 0;
    for (size_t node = 0; node < starts[trees]; node++) entries += all[node].step == MAKE;
    printf("%zu %zu %.6f %.6f %.6f\n", entries, files, took, synced, work);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "blob") == 0) return blob(atoi(argv[2]), argv[3]);
    if (argc >= 5 && strcmp(argv[1], "write") == 0)
        return write_trees(strtoull(argv[2], NULL, 10), argv + 3, argc - 4, argv[argc - 1]);
    errx(2, "expected blob or write");
}
