module fks-node/test/name-client

go 1.26.0
