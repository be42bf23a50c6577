import { z } from 'zod'
import {
  directoryMode,
  fileMode,
  integer,
  pattern,
  plainText,
  seconds,
  sigkey,
  treePath,
} from '../field-types.ts'
import { option, type Section, unset } from '../option.ts'

/** How files come to stand in staging's tree. */
export const FILES = {
  copy: {
    arches: option(['*'], {
      type: z.array(pattern).min(1),
      form: 'list',
      help: 'Shell patterns of the arches of rpms that placements `copy` and `in-place` bring; `src` is one.',
    }),
    signed_keys: option<string[]>([], {
      type: z.array(sigkey),
      form: 'list',
      help: 'Signing keys (8 hex digits) whose signed copies are made of the rpm and the cached signature, also where prod has pruned them.',
    }),
    sigcache: option(true, {
      type: z.boolean(),
      help: "Bring the cached signature headers. Without them staging's hub cannot write signed copies itself.",
    }),
    logs: option(true, {
      type: z.boolean(),
      help: "Bring the builds' logs. Over HTTP, where nothing lists them, they never come.",
    }),
    bytes_per_second: option(0, {
      type: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      help: 'All copying together takes no more than this; 0: as fast as it goes.',
    }),
    open_transfers: option(8, {
      type: integer({ min: 1, max: 256 }),
      help: 'Files that are copied or fetched at a time.',
    }),
    reflink: option(true, {
      type: z.boolean(),
      help: "Share blocks with prod's file where the file system can (btrfs, XFS); its bytes are judged all the same.",
    }),
    hardlink: option(false, {
      type: z.boolean(),
      help: "Make rpms and archives other names of prod's files, where they lie on the same mount and nobody's permission bits allow writing. Never signatures.",
    }),
    fsync: option(true, {
      type: z.boolean(),
      help: 'Files are on the disk before the rows that name them. false: faster, and after a loss of power scrub must find what is torn.',
    }),
    reserve_bytes: option(10 * 1024 ** 3, {
      type: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      help: 'Free space of staging.topdir that is never used up: below it nothing is copied until there is room again.',
    }),
    file_mode: option('0644', {
      type: fileMode,
      form: 'text',
      help: 'Permission bits of copied files. Of directories, owners and groups see `files`.',
    }),
  },
  files: {
    uid: unset({
      type: integer({ min: 0, max: 4_294_967_294 }),
      example: 48,
      help: "User id that owns the files and directories that are made in staging.topdir: the hub's. Not set: the owner of the directory above. Links belong to the owner of what they lead to, always.",
    }),
    gid: unset({
      type: integer({ min: 0, max: 4_294_967_294 }),
      example: 48,
      help: 'Group id of the same. Not set: the group of the directory above.',
    }),
    directory_mode: unset({
      type: directoryMode,
      form: 'text',
      example: '2775',
      help: "Permission bits of directories that are made. Not set: those of the directory above. Staging's hub must be able to write in them.",
    }),
  },
  in_place: {
    stamp: unset({
      type: treePath,
      example: '/mnt/koji/.taken-from-prod',
      help: 'File whose time of change says when the snapshot of placement `in-place` was taken; who takes it touches the file. `status` tells how old it is.',
    }),
    refresh_command: option<string[]>([], {
      type: z.array(plainText),
      form: 'list',
      help: 'Program and arguments that take the snapshot anew, run by `refresh-snapshot` while no daemon works. README has examples.',
    }),
    refresh_timeout_seconds: option(3_600, {
      type: seconds({ min: 1, max: 86_400 }),
      help: 'The program is ended after this.',
    }),
  },
} as const satisfies Readonly<Record<string, Section>>
