/** A child that never gets anywhere. */
process.stderr.write("no such database\n");
process.exit(3);
