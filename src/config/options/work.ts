import { z } from 'zod'
import { integer, pattern, seconds, timeOfDay } from '../field-types.ts'
import { option, type Section } from '../option.ts'

const policy = z.enum(['prod-wins', 'local-wins', 'hold'])

/** What is followed, and how often it is looked for. */
export const WORK = {
  scope: {
    tags: option(['*'], {
      type: z.array(pattern).min(1),
      form: 'list',
      help: 'Shell patterns of the tags to keep equal. What they inherit from and what their builds need follows.',
    }),
    exclude_tags: option(['*-side-[0-9]*'], {
      type: z.array(pattern),
      form: 'list',
      help: 'Shell patterns of tags to leave out although scope.tags covers them.',
    }),
    builds: option('tagged', {
      type: z.enum(['tagged', 'all']),
      form: 'text',
      help: '`tagged`: builds that are in a tag in scope. `all`: every complete build of prod.',
    }),
  },
  conflicts: {
    build: option('hold', {
      type: policy,
      form: 'text',
      help: 'When a build of staging wants the same name or id as one of prod: prod-wins, local-wins or hold.',
    }),
    tag: option('prod-wins', {
      type: policy,
      form: 'text',
      help: "The same for tags, targets, lists: prod-wins revokes staging's row, local-wins keeps it, hold writes nothing.",
    }),
    on_removed: option('hold', {
      type: z.enum(['hold', 'prod-wins']),
      form: 'text',
      help: 'What prod removes although staging uses it: hold keeps and reports it, prod-wins removes it all the same.',
    }),
  },
  worker: {
    concurrency: option(32, {
      type: integer({ min: 1, max: 128 }),
      help: 'Keys that are converged at a time: what they ask of prod goes together in few requests.',
    }),
    shutdown_grace_seconds: option(20, {
      type: seconds({ min: 0, max: 3600 }),
      help: 'How long work may go on after SIGTERM before it is given back.',
    }),
  },
  catch_up: {
    interval_seconds: option(60, {
      type: seconds({ min: 1 }),
      help: "Pause between two looks at prod's history.",
    }),
    rest_factor: option(10, {
      type: z.number().min(0).max(1000),
      help: "The pause is at least so many times as long as prod's hub took for the last look, up to half an hour: so catch-up keeps it busy for a tenth of the time at most.",
    }),
    overlap_seconds: option(21_600, {
      type: seconds({ min: 0 }),
      help: 'How far each look goes back behind the last one, for changes that became visible late.',
    }),
    long_at: option('02:30', {
      type: timeOfDay,
      form: 'text',
      help: "When one look a day goes back further (HH:MM, this host's time zone), or off. Missed ones are made up after the start.",
    }),
    long_overlap_seconds: option(604_800, {
      type: seconds({ min: 0, max: 31_536_000 }),
      help: 'How far that look goes back. It costs prod no more than any other; later changes than that reconcile finds.',
    }),
  },
  reconcile: {
    at: option('04:00', {
      type: timeOfDay,
      form: 'text',
      help: "When `run` compares everything in scope, once a day (HH:MM, this host's time zone); a missed one is made up after the start. off: by hand or by the systemd timer.",
    }),
    jitter_seconds: option(1_800, {
      type: seconds({ min: 0, max: 43_200 }),
      help: 'It begins up to this much later, at random, so that several stagings do not ask prod at once.',
    }),
  },
  scrub: {
    days: option(30, {
      type: z.number().min(0).max(3650),
      help: 'Every build that came from prod is looked at whole, rows and files, within so many days; 0: `run` does not scrub.',
    }),
    builds_per_second: option(5, {
      type: z.number().min(0.001).max(1000),
      help: 'The scrub never goes faster than this. How fast it has to go follows from scrub.days and the number of builds: see `status`.',
    }),
  },
  retention: {
    resolved_clash_days: option(90, {
      type: z.number().min(1).max(36_500),
      help: 'Clashes that are over are remembered for so many days, with what they were about.',
    }),
    checkpoint_days: option(90, {
      type: z.number().min(1).max(36_500),
      help: 'Every checkpoint (which event of staging stands for which of prod, per key) is kept for so many days: so far back `event` can answer.',
    }),
    checkpoints_per_key: option(20, {
      type: z.number().int().min(1).max(10_000),
      help: 'Of those that are older, each key keeps so many of its newest.',
    }),
  },
} as const satisfies Readonly<Record<string, Section>>
