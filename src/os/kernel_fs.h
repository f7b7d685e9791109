/*
 * kernel_fs.h - file systems whose entries only the kernel makes, such as /proc
 * and /sys, whatever the permissions of their directories say.
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_KERNEL_FS_H
#define FERRY_OS_KERNEL_FS_H

/* Whether nobody can make a file in the directory fd for that reason; 0 where
 * this is not known. */
int kernel_fs_has(int fd);

#endif
