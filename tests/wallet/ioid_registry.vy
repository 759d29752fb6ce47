# pragma version 0.4.3
# What IoTeX's ioID registry answers of a device's document, and how a test puts one there.

struct Record:
    hash: bytes32
    uri: String[256]


records: HashMap[address, Record]


@external
def register(device: address, hash: bytes32, uri: String[256]):
    self.records[device] = Record(hash=hash, uri=uri)


@external
@view
def documentHash(device: address) -> bytes32:
    assert self.records[device].hash != empty(bytes32), "device not exists"
    return self.records[device].hash


@external
@view
def documentURI(device: address) -> String[256]:
    assert self.records[device].hash != empty(bytes32), "device not exists"
    return self.records[device].uri
