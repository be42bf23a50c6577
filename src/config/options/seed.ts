import { z } from 'zod'
import { integer, pattern, plainText } from '../field-types.ts'
import { option, type Section } from '../option.ts'

/** What `seed` makes of a dump. */
export const SEED = {
  seed: {
    left_out: option(
      [
        'buildroot_listing',
        'sessions',
        'build_notifications',
        'build_notifications_block',
        'proton_queue',
        'scheduler_log_messages',
      ],
      {
        type: z.array(pattern),
        form: 'list',
        help: "Shell patterns of the tables whose rows `seed` leaves out of prod's dump: the biggest one that no staging needs, and what is prod's own business.",
      },
    ),
    jobs: option(2, {
      type: integer({ min: 1, max: 16 }),
      help: 'Indexes and keys that `seed` makes at a time; more than the database server has processors for is of no use.',
    }),
    own_tables: option<string[]>([], {
      type: z.array(plainText),
      form: 'list',
      help: "Tables of your own in prod's database, beside Koji's. `seed` loads them as they are, and refuses others that it does not know.",
    }),
    maintenance_database: option('postgres', {
      type: plainText,
      form: 'text',
      help: "Database of staging's server that `seed` connects to while it makes, renames and drops others.",
    }),
    channels: option<string[]>([], {
      type: z.array(plainText),
      form: 'list',
      help: 'Channels that staging has, beside those of the dump and of [[seed_host]].',
    }),
    keep_grants: option(false, {
      type: z.boolean(),
      help: "true keeps prod's permissions, groups and content generators' users after `seed`; false revokes all but those of [[seed_user]].",
    }),
  },
} as const satisfies Readonly<Record<string, Section>>
