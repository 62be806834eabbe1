/** A name server of a test's own, for names that are not the cluster's. */
import { decode, encode, type Message, RCODE } from "#core/dns/message.ts";
import { type DnsRecord, type RecordData, typeOf } from "#core/dns/record.ts";

export interface NameServer extends Disposable {
  /** Names that were asked for, in order. */
  readonly asked: string[];
}

/** Answers on UDP port 53 of `address`; a name that `names` does not have does not exist. */
export async function nameServer(
  address: string,
  names: Readonly<Record<string, readonly RecordData[]>>,
): Promise<NameServer> {
  const asked: string[] = [];

  function replyTo(query: Message): Message {
    const [question] = query.questions;
    const name = question?.name.toLowerCase() ?? "";
    asked.push(name);
    const known = names[name];
    const answers = (known ?? [])
      .filter((data) => typeOf(data) === question?.type)
      .map((data): DnsRecord => ({ name, ttlS: 60, data }));
    const rcode = known === undefined ? RCODE.nxDomain : RCODE.noError;
    return { ...query, isResponse: true, canRecurse: true, rcode, answers, authorities: [SOA] };
  }

  const socket = await Bun.udpSocket({
    hostname: address,
    port: 53,
    socket: {
      data(self, bytes, port, from) {
        const decoded = decode(bytes);
        if (decoded.kind !== "message") return;
        self.send(encode(replyTo(decoded.message), 1_232), port, from);
      },
    },
  });
  return { asked, [Symbol.dispose]: () => socket.close() };
}

const NUMBERS = { serial: 1, refreshS: 60, retryS: 60, expireS: 60, minimumS: 60 };
const SOA: DnsRecord = {
  name: "example",
  ttlS: 60,
  data: { type: "SOA", primary: "ns.example", mailbox: "root.example", ...NUMBERS },
};
