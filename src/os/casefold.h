/*
 * casefold.h - whether a directory takes upper and lower case, and the Unicode
 * forms of a letter, for the same name, where others of its file system do not
 * (Linux: chattr +F on ext4, f2fs, tmpfs and others).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_CASEFOLD_H
#define FERRY_OS_CASEFOLD_H

/* Whether the directory fd has that attribute; 0 where this is not known. */
int casefold_is_set(int fd);

#endif
