import { z } from 'zod'
import { anyArray, anyObject, kojiId, kojiName, maybe } from './fields.ts'

/**
 * The bodies of Koji's messages, each one schema over all eras: Fedora's fedmsg plugin 2013 to 2019, its AMQP plugin, and
 * koji-fedoramessaging since 2023. Every member that an era is known to send is type-checked, also those that nothing
 * is made of; members that no era knew are let through.
 */
const text = z.string()

/** Whose message it is; in every body, absent before 2014. */
export const originSchema = z.object({
  /** `primary`; once `arm`, `ppc`, `s390` for the secondary hubs. */
  instance: maybe(text),
  /** The hub's web address, since koji-fedoramessaging 1.0. */
  base_url: maybe(text),
})

/** `request` and `task` are what the builder was asked: never used, of any depth. */
const buildStateSchema = z.object({
  attribute: text,
  old: maybe(z.union([z.int(), text])),
  new: maybe(z.union([z.int(), text])),
  build_id: maybe(kojiId),
  name: kojiName,
  version: kojiName,
  release: kojiName,
  epoch: maybe(z.union([z.int(), text])),
  task_id: maybe(z.int()),
  owner: maybe(text),
  request: maybe(anyArray),
  task: maybe(anyObject),
  url: maybe(text),
  files_base_url: maybe(text),
  creation_time: maybe(z.union([text, z.number()])),
  completion_time: maybe(z.union([text, z.number()])),
})

/**
 * attribute `state`: 0 BUILDING, 1 COMPLETE, 2 DELETED, 3 FAILED, 4 CANCELED (koji/__init__.py BUILD_STATES). Others
 * (`volume_id` until 2019) say that something else of the build moved, with values of its own.
 */
export const buildStateChangeSchema = buildStateSchema.superRefine((body, context) => {
  if (body.attribute !== 'state') return
  const state = z.int().min(0).max(4)
  if (!state.safeParse(body.new).success) context.addIssue({ code: 'custom', path: ['new'] })
  if (!maybe(state).safeParse(body.old).success) context.addIssue({ code: 'custom', path: ['old'] })
})

/** tag and untag. No `build_id` before 2014-06. */
export const taggingSchema = z.object({
  tag: kojiName,
  tag_id: maybe(kojiId),
  build_id: maybe(kojiId),
  name: kojiName,
  version: kojiName,
  release: kojiName,
  user: maybe(text),
  owner: maybe(text),
})

/** Names only, in every era; `action` and what follows since 2017-11. */
export const packageListChangeSchema = z.object({
  tag: kojiName,
  package: kojiName,
  action: maybe(text),
  owner: maybe(text),
  block: maybe(z.boolean()),
  extra_arches: maybe(text),
  force: maybe(z.boolean()),
  update: maybe(z.boolean()),
})

const sigkey = z.string().regex(/^[0-9A-Za-z]{0,64}$/)
const seconds = maybe(z.union([z.number(), text]))

const rpmSchema = z.object({
  id: maybe(kojiId),
  build_id: maybe(kojiId),
  name: kojiName,
  version: kojiName,
  release: kojiName,
  arch: kojiName,
  epoch: maybe(z.union([z.int(), text])),
  size: maybe(z.number()),
  payloadhash: maybe(text),
  buildtime: maybe(z.number()),
  buildroot_id: maybe(z.int()),
  external_repo_id: maybe(z.int()),
  external_repo_name: maybe(text),
  metadata_only: maybe(z.boolean()),
  extra: maybe(anyObject),
})

const signedBuildSchema = z.object({
  id: maybe(kojiId),
  build_id: maybe(kojiId),
  nvr: maybe(text),
  name: maybe(kojiName),
  version: maybe(kojiName),
  release: maybe(kojiName),
  epoch: maybe(z.union([z.int(), text])),
  state: maybe(z.int()),
  task_id: maybe(z.int()),
  owner_id: maybe(z.int()),
  owner_name: maybe(text),
  package_id: maybe(kojiId),
  package_name: maybe(text),
  volume_id: maybe(z.int()),
  volume_name: maybe(text),
  cg_id: maybe(z.int()),
  cg_name: maybe(text),
  source: maybe(text),
  extra: maybe(anyObject),
  creation_event_id: maybe(z.int()),
  start_time: seconds,
  creation_time: seconds,
  completion_time: seconds,
  creation_ts: seconds,
})

/** Koji 1.11 on. `build` is missing from some. */
export const rpmSignSchema = z.object({
  sigkey,
  sighash: maybe(text),
  rpm: rpmSchema,
  build: maybe(signedBuildSchema),
})

/** Koji up to 1.10, 2015-01 to 2016-12: an attribute change, all in `info`. */
export const oldRpmSignSchema = z.object({
  attribute: z.literal('sighash'),
  old: maybe(text),
  new: maybe(text),
  info: rpmSchema.extend({ sigkey, sighash: maybe(text) }),
})

/** repo.init, repo.done; `arm` once sent its instance only. */
export const repoSchema = z.object({ tag: maybe(text), tag_id: maybe(kojiId), repo_id: maybe(kojiId) })

/** Scratch tasks of the top level. `info` (since 2014-06) is the task's tree, of any depth. */
export const taskStateChangeSchema = z.object({
  attribute: maybe(text),
  old: maybe(text),
  new: maybe(text),
  id: maybe(kojiId),
  method: maybe(text),
  owner: maybe(text),
  srpm: maybe(text),
  info: maybe(anyObject),
})

/** Only whose it is; the draft is not named (koji 1.34 on). */
export const promoteSchema = z.object({})
