/** Opens a listener on a port of somebody else's choice. `open` throws when it cannot have the port. */
export type Listen = <Server>(open: (port: number) => Server) => Server;

/** Any port that is free. */
export const onAnyPort: Listen = (open) => open(0);
