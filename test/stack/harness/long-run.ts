// Is this the long run, in which what normally happens quickly takes the time it takes in a cluster?

/** As `npm run test:stack -- --long` says. */
export const LONG_RUN = process.env['STACK_LONG'] === '1';
