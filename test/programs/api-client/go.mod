module fks-node/test/api-client

go 1.26.0
